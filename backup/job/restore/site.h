/*
 * What a restore finds: does the server answer, where are its files, whose are they. When the
 * disaster has happened the server says nothing of it: then [backup] datadir, what was remembered
 * of it (layout_memory.h), and the archive's manifest do.
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_SITE_H
#define ELEXGATE_BACKUP_JOB_RESTORE_SITE_H

#include "backup/job/method/layout_memory.h"
#include "backup/job/run.h"

enum site_server {
    SITE_ANSWERS, /* and lets the keeper in */
    SITE_REFUSES, /* it runs, and refuses the keeper */
    SITE_SILENT,  /* nobody answers */
};

struct site {
    enum site_server server;
    struct err why;           /* of one that does not answer */
    struct layout layout;     /* its datadir may not exist */
    struct err tables;        /* code: 0, or why a copy of what is there would not be whole */
    bool known;               /* page size and the case of names are those of this server */
    struct layout_memory was; /* as it was last seen; where NULL = never */
};

/* How it answers; *out: the connection, with SITE_ANSWERS. */
enum site_server site_ask(const struct run *run, struct server **out, struct err *why);
/* 0, negative, or EXIT_REFUSED with words: files outside the data directory, or nobody knows where
 * that is. Changes nothing. The caller clears. */
int site_look(struct run *run, struct site *out, struct err *e) MUSTCHECK;
void site_clear(struct site *s);
/* What the server says of itself now is what a later restore goes by; best effort. */
void site_remember(struct run *run);
/* There is something that a server may start on. */
bool site_has_data(const struct site *s);
/* Before anybody is blocked: the server can be stopped without an account in it, if it must be so.
 * EXIT_REFUSED with the real cause. */
int site_can_stop(struct run *run, const char *datadir, struct err *e) MUSTCHECK;
/* The folder exists and has the owner that its server needs; *made: it had to be made. database: a
 * data directory, else any folder. */
int site_make_folder(
    const struct site *s, const char *path, bool database, bool *made, struct err *e) MUSTCHECK;

#endif
