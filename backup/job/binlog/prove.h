/*
 * The proof of the chain: the backup before, unpacked as for a drill, and the archived binary log
 * run on it up to where the newest physical backup stands, hold what that one recorded of every
 * table. Or, with --live, what the running server has at a quiet moment. Then any second in between
 * can be brought back.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_PROVE_H
#define ELEXGATE_BACKUP_JOB_BINLOG_PROVE_H

#include "backup/archive/store.h"
#include "backup/job/run.h"

/* prove [--live]. 0: proven, and recorded beside the archive as a drill is. EXIT_INCONSISTENT: the
 * chain is broken, recorded too, with the first gap. run->nothing: there is no chain yet, with a
 * note why. EXIT_NOT_IDLE: --live, and somebody wrote. All else: it could not be tried.
 *
 * {"event":"chain", ..} and the run's "proofs": {"type","run" of the newest backup, "" = the live
 * server,"method":"chain","good","ms","text","base" its backup,"since","until"}. */
int job_prove(struct run *r, int argc, char **argv, struct err *e) MUSTCHECK;

/* Of a list of backups, newest first: {"since","until","words"}, by the newest whose chain was
 * tried and as far back as one good proof follows the other; since and until null when it is
 * broken. null: none was tried. New reference. */
json_t *binlog_proven_json(const struct store_list *l) MUSTCHECK;

#endif
