/*
 * A throwaway server on a copied data directory: no network, no events, no binary log, no accounts;
 * its socket lies in a folder that only we can enter. It dies with us.
 */
#ifndef ELEXGATE_BACKUP_THROWAWAY_H
#define ELEXGATE_BACKUP_THROWAWAY_H

#include <jansson.h>
#include "backup/server.h"
#include "common/said.h"

struct throwaway;

struct throwaway_options {
    const char *program;        /* mariadbd */
    const char *const *args;    /* further arguments, NULL-terminated; may be NULL */
    const char *datadir;        /* is changed by the start */
    const char *scratch;        /* private folder for socket, pid file, log, temporary files */
    uint32_t page_size;         /* 0 = the program's default */
    int lower_case_table_names; /* -1 = default */
    bool fresh; /* a new, empty directory whose root has no password: with accounts, since without
                   them the server does not take events */
    const json_t *settings; /* layout.settings of the server that was copied; may be NULL */
    bool (*go_on)(void *ctx);
    void *ctx;
};

/* Starts and waits until it answers. -EIO: it ended, with the last words of its log. 1: stopped. */
int throwaway_start(
    const struct throwaway_options *o, struct throwaway **out, struct err *e) MUSTCHECK;
struct server *throwaway_server(struct throwaway *t);
struct server_target throwaway_target(const struct throwaway *t);
/* False once it has ended by itself. */
bool throwaway_runs(struct throwaway *t);
/* The first error in its log that is known to hold no data (common/said.h). */
void throwaway_last_words(const struct throwaway *t, char buf[static SAID_MAX]);
/* True if InnoDB or Aria had to recover from a crash. */
bool throwaway_recovered(const struct throwaway *t);
/* Clean shutdown, waits for it. */
int throwaway_stop(struct throwaway *t, struct err *e) MUSTCHECK;
/* Ends it in any case. NULL allowed. */
void throwaway_drop(struct throwaway *t);

#endif
