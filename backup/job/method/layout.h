/*
 * Where the server keeps its files, and whether a copy of its data directory would be all of them.
 */
#ifndef ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_H
#define ELEXGATE_BACKUP_JOB_METHOD_LAYOUT_H

#include <jansson.h>
#include <sys/stat.h>
#include "backup/server/server.h"

struct layout {
    char *datadir; /* as seen from here, without a final slash */
    char *version; /* SELECT VERSION() */
    uint32_t page_size;
    int lower_case_table_names;
    bool binary_log;
    char **skip; /* names in it that are no data: logs, pid file, socket */
    size_t skip_count;
    json_t *missing;  /* object: tables of which no copy can be made, as layout_tables says */
    json_t *settings; /* object: what another server must be told to start on a copy */
};

/* The settings that may stand in layout.settings, NULL-terminated: those without which another
 * server does not start on the files, and those that decide which values and statements a server
 * takes, which a server of another version may lack. */
extern const char *const layout_settings[];
extern const char *const layout_manners[];
/* Both of a running server, as an object of texts; a new reference. */
int layout_read_settings(struct server *s, json_t **out, struct err *e) MUSTCHECK;

/* datadir: from the settings, or NULL to take what the server says. 0 or negative; 1: refused, the
 * text names the server's setting or file that makes a copy incomplete. Tables are not looked at.
 */
int layout_read(struct server *s, const char *datadir, struct layout *out, struct err *e) MUSTCHECK;
/* -ENOLINK: there are tables of which no copy can be made, as the text says of one of them: of an
 * engine that the lock does not hold still, or in a place that cannot be reached from here
 * (elsewhere.h). l->missing has all, {"name/of the file": "words"}. Who may make tables can make
 * one: they end no backup, and all others are copied. */
int layout_tables(struct server *s, const struct layout *l, struct err *e) MUSTCHECK;
/* Does this name in the data directory stand for a file that cannot be had? Then its table is in
 * l->missing. */
bool layout_lacks(const struct layout *l, const char *path, const struct stat *st);
/* What the server knows of them, for a replay: {"schema.table": {"schema", "table", "definition"}},
 * a definition where it can open the table; a new reference. Of the moment of the copy if it is
 * asked under the lock. */
int layout_missing(struct server *s, const struct layout *l, json_t **out, struct err *e) MUSTCHECK;
void layout_clear(struct layout *l);
/* Is this path in the data directory no data: temporary tablespaces, tc.log, logs that grow while
 * they are copied (a copy of them would count as changed), marks of the running server? */
bool layout_skips(const struct layout *l, const char *path);

/* Proof that this directory belongs to this server: the log file in it has the checkpoint that the
 * server reports. 0, or 1 with the reason. A log format that is not known passes. */
int layout_check_log(const struct layout *l, uint64_t checkpoint_lsn, struct err *e) MUSTCHECK;

/* The total size of the regular files in a directory, by their allocated blocks. */
int layout_size(const char *folder, uint64_t *bytes, struct err *e) MUSTCHECK;

#endif
