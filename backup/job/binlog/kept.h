/*
 * What is kept of the archived log: told, read through, and let go of.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_KEPT_H
#define ELEXGATE_BACKUP_JOB_BINLOG_KEPT_H

#include "backup/archive/archive_settings.h"
#include "backup/job/binlog/catalog.h"
#include "backup/job/run.h"

/* After a run: whole files of the server's that lie before the oldest physical backup that is kept
 * and notes its place, and those older than [retention] keep_binlog. Never the newest timeline's
 * last file, which the stream goes on from, and nothing where no backup notes its place, or one of
 * ours stands in log that is missing. Nothing at all while an index is refused or a time lies in
 * the future: then what is seen is not what is there, or the clock is wrong. */
int binlog_retain(struct run *r, struct err *e) MUSTCHECK;

/* What only this backup is the beginning of: {"from":TIME,"until":TIME}, the seconds that cannot be
 * brought back once it is gone, though their log is there; null: another one leads to them. l: all
 * of them, newest first. New reference. */
json_t *binlog_stranded(
    const struct binlog_catalog *c, const struct store_list *l, size_t i) MUSTCHECK;

/* [{"timeline":N,"reason":..,"begins":TIME,"ends":TIME,"segments":N,"transactions":N,"bytes":N,
 *   "stored_bytes":N,"encrypted":BOOL,"gaps":N}]; new reference. refused: why some of
 * it is not used. */
json_t *binlog_list(const char *folder, const struct trust *trust, struct err *refused);

/* Every segment is read and compared. 0; -ECANCELED. *first: the first that is damaged.
 * Encrypted ones without a key are compared as they lie there. */
struct binlog_verified {
    unsigned checked, damaged, refused;
    struct err first;
};
int binlog_verify(const struct archive_settings *a, const struct trust *trust,
    struct binlog_verified *out, struct err *e) MUSTCHECK;

#endif
