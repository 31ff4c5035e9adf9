/*
 * Where something is tried out that nobody vouches for, and as whom.
 *
 * The home is a folder of ours that only we enter. In it lie the data and a scratch folder, which
 * belong to the user of trials ([drill] user) while something runs on them, and to us before and
 * afterwards. As root without such a user nothing is tried out: there is no falling back to root.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_TRIAL_H
#define ELEXGATE_BACKUP_JOB_TRIAL_TRIAL_H

#include "backup/job/trial/sandbox.h"
#include "common/config.h"

#define TRIAL_GIVEN_MAX 8

struct trial {
    struct sandbox sandbox; /* for process_options, as long as the trial is open */
    int home, data, scratch;
    char *home_path, *scratch_path;
    const char *writable[3];
    char *shown[TRIAL_GIVEN_MAX + 1];
    size_t given, folders;
    uint64_t reserve; /* free bytes on the file system that a trial must leave */
};

/* Before anything is unpacked for a trial: EXIT_REFUSED with words in both languages. */
struct run;
int trial_ready(struct run *run, struct err *e) MUSTCHECK;

/* datadir and scratch lie in the same folder, the home. Gives both to the user. */
int trial_open(struct trial *t, const struct config *c, const char *datadir, const char *scratch,
    struct err *e) MUSTCHECK;
/* "--option=/path": a file is copied into the scratch folder, a folder is shown as it is, and what
 * comes back, malloc'ed, names what can be read in there. */
int trial_show(struct trial *t, const char *arg, char **out, struct err *e) MUSTCHECK;
/* A file of the user's in the scratch folder. */
int trial_write(
    struct trial *t, const char *name, const char *text, size_t n, struct err *e) MUSTCHECK;
/* False: the file system is filling up. */
bool trial_has_room(const struct trial *t);
/* For the import into a server that is not on trial: a sandbox without a folder, with that one
 * socket of it, or with the network where it has none. */
struct trial_beside {
    struct sandbox sandbox;
    int folder; /* of the socket; -1 = none */
    char *folder_path;
    char host[128]; /* for who uses it */
    unsigned port;
};
int trial_beside_open(
    struct trial_beside *b, const struct config *c, const char *socket, struct err *e) MUSTCHECK;
void trial_beside_close(struct trial_beside *b);
/* The limits of a program that reads SQL text in, on the sandbox of any trial. */
void trial_for_import(struct sandbox *s);

/* When nothing runs any more: the data are ours again. -EPERM when there is something in them that
 * nobody who runs a server puts there. Closes it in any case. */
int trial_close(struct trial *t, struct err *e) MUSTCHECK;

#endif
