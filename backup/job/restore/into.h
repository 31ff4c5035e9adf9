/*
 * A run unpacked elsewhere, to look at the old state or to take one table out of it, while the live
 * data stay untouched; and a throwaway server on it.
 *
 *   DIR/TYPE/                    what the archive held: a data directory, documents, a dump (.sql)
 *   DIR/.elexgate-into.json      written last: what lies here, and what its server needs to know
 *   DIR/.imported/               a data directory made from the dump, by the first serving
 *   DIR/.server/                 socket, log and temporary files of the server that runs
 */
#ifndef ELEXGATE_BACKUP_JOB_RESTORE_INTO_H
#define ELEXGATE_BACKUP_JOB_RESTORE_INTO_H

#include "backup/job/restore/restore.h"

#define INTO_RECORD ".elexgate-into.json"

/* Unpacks into dir, which must be empty or not yet there and lie in no live data. Every file is
 * compared with the manifest. On failure nothing stays. Needs neither a server nor the run lock.
 * EXIT_REFUSED, EXIT_NO_SPACE, EXIT_INCONSISTENT, EXIT_CANCELLED.
 * Event: {"event":"unpacked","folder":DIR,"run":SUFFIX,"types":[{"type","method","bytes"}]} */
int restore_into(
    struct run *run, const struct restore_request *q, const char *dir, struct err *e) MUSTCHECK;

/* Whether a run was unpacked there. */
bool restore_is_into(const char *dir) MUSTCHECK;

/* Runs a server on what was unpacked into dir until the job is asked to stop, or for so many ms (0
 * = no limit); 0 then. It listens on the socket only, which none but its owner can open. No events,
 * no replication, no binary log. Event:
 * {"event":"serving","socket":PATH,"user":"root","version":V,"databases":[{"name","tables"}],
 *         "until":TIME where there is a limit} */
int restore_serve(
    struct run *run, const char *dir, const char *socket, int64_t for_ms, struct err *e) MUSTCHECK;

/* A server on it for us alone, while fn runs; what fn returns. */
struct server;
typedef int restore_served_fn(void *ctx, struct server *s, struct err *e);
int restore_serve_for(
    struct run *run, const char *dir, restore_served_fn *fn, void *ctx, struct err *e) MUSTCHECK;

#endif
