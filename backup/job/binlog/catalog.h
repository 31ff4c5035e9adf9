/*
 * The segments in the backup folder (docs/pitr.md): <folder>/binlog/<timeline>/…. Whoever can write
 * to the folder can put anything there, and what is replayed is run by a server: only what is
 * sealed with a key of ours, or of [archive] trust, is looked at.
 */
#ifndef ELEXGATE_BACKUP_JOB_BINLOG_CATALOG_H
#define ELEXGATE_BACKUP_JOB_BINLOG_CATALOG_H

#include "backup/archive/trust.h"
#include "backup/rules/binlog_segment.h"

#define BINLOG_FOLDER       "binlog"
#define BINLOG_TIMELINE_MAX 9999 /* its folder has four digits */

struct binlog_item {
    struct binlog_segment s;
    char digest[SHA256_HEX_LEN]; /* of the index: what the next one calls previous */
};
struct binlog_catalog {
    char *folder;              /* <backup folder>/binlog */
    struct binlog_item *items; /* in order: timeline, file, position */
    size_t n;
    uint32_t newest;    /* the highest timeline that has a segment of ours; 0 = none */
    size_t refused;     /* indices that nobody vouches for, or that cannot be read */
    struct err problem; /* the first of those */
};

/* A missing folder is an empty catalog. */
int binlog_catalog_read(const char *backups, const struct trust *trust, struct binlog_catalog *out,
    struct err *e) MUSTCHECK;
void binlog_catalog_clear(struct binlog_catalog *c);
/* For a new timeline: behind all that there are, where nobody else's lies. -EOVERFLOW: none. */
int binlog_catalog_free(
    const struct binlog_catalog *c, uint32_t *timeline, struct err *e) MUSTCHECK;
/* The first one behind that one that has a segment of ours; 0 = none. */
uint32_t binlog_catalog_after(const struct binlog_catalog *c, uint32_t timeline);
/* The folder of a timeline, and a file in it; malloc'ed. */
char *binlog_catalog_dir(const char *folder, uint32_t timeline) MUSTCHECK;
char *binlog_catalog_path(
    const struct binlog_catalog *c, const struct binlog_segment *s, const char *name) MUSTCHECK;

/* Seals the index and gives it its name. durable: on the disk when it returns. digest: out. */
int binlog_catalog_publish(const char *dir, const struct binlog_segment *s, const struct trust *t,
    bool durable, char digest[static SHA256_HEX_LEN], struct err *e) MUSTCHECK;

#endif
