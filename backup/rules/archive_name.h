/*
 * Names in the backup folder.
 *
 *   <type>_YYYY-MM-DD-HHmm.tar.gz             an archive
 *   <type>_YYYY-MM-DD-HHmm.tar.gz.age         an encrypted one
 *   <type>_YYYY-MM-DD-HHmm.manifest.json      what is in it
 *   <type>_YYYY-MM-DD-HHmm.manifest.json.age  the whole manifest of an encrypted archive
 *   <type>_YYYY-MM-DD-HHmm.status.json        when it was verified and drilled, and how that went
 *   .<any of these>.part                      not finished; never counted; removed by the next run
 *
 * Type: letters, digits, `-` and `_`, at most 40, beginning with a letter or digit. A name is read
 * from its end, so `elexisdb_old_2026-…` is of type `elexisdb_old` and never of type `elexisdb`.
 *
 * The run's suffix is local time, which repeats in the autumn hour. A run whose suffix is taken by
 * anything takes the next free minute; what counts for order is the manifest's UTC time.
 */
#ifndef ELEXGATE_BACKUP_RULES_ARCHIVE_NAME_H
#define ELEXGATE_BACKUP_RULES_ARCHIVE_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/rules/cron.h" /* struct cron_zone */
#include "common/error.h"

#define ARCHIVE_TYPE_MAX 40
#define RUN_SUFFIX_LEN   sizeof("2026-11-22-0315")
#define ARCHIVE_NAME_LEN (ARCHIVE_TYPE_MAX + 64)

enum archive_name_kind {
    ARCHIVE_NAME_ARCHIVE,
    ARCHIVE_NAME_MANIFEST,
    ARCHIVE_NAME_STATUS,
};

struct archive_name {
    char type[ARCHIVE_TYPE_MAX + 1];
    char run[RUN_SUFFIX_LEN];
    enum archive_name_kind kind;
    bool encrypted; /* ends in .age */
    bool part;      /* .….part */
};

bool archive_type_valid(const char *type);
/* What somebody calls a run, "before the upgrade to 3.13": one line of text; "" = no name. */
#define ARCHIVE_LABEL_MAX 120
bool archive_label_valid(const char *label);
/* A real date and time in the form YYYY-MM-DD-HHmm. */
bool run_suffix_valid(const char *run);
/* false: not a name of ours, leave it alone. name is a plain file name without a folder. */
bool archive_name_parse(const char *name, struct archive_name *out);
/* Plain file names that others chose: of an archive of the old system in the folder, of an upload.
 */
bool foreign_name_valid(const char *name);
bool upload_name_valid(const char *name);
/* Writes the file name; type and run must be valid (CHECK). Returns buf. */
char *archive_name_format(const struct archive_name *n, char buf[static ARCHIVE_NAME_LEN]);
/* The suffix for an instant; returns buf. */
char *run_suffix_format(
    int64_t utc_s, const struct cron_zone *zone, char buf[static RUN_SUFFIX_LEN]);
/* The minute after, by the calendar. in and out may be the same buffer. */
void run_suffix_next(const char in[static RUN_SUFFIX_LEN], char out[static RUN_SUFFIX_LEN]);

#endif
