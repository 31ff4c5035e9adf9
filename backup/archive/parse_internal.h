/* What the halves of the parser share, and the parts of the one that meets the bytes. */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PARSE_INTERNAL_H
#define ELEXGATE_BACKUP_ARCHIVE_PARSE_INTERNAL_H

#include "backup/archive/gzip_read.h"
#include "backup/archive/parse.h"

#define PARSE_FRAME_MAX (1u << 20)
#define PARSE_PIPE      (1 << 20) /* bytes that wait; the kernel's limit for everybody */

struct parse_head {
    uint32_t kind, n;
    uint64_t at;
};

/* Frames on their way out. */
struct parse_out;
void parse_put(struct parse_out *o, enum parse_kind kind, uint64_t at, const void *data, size_t n);
/* DAMAGED; cut to what a message can hold. */
void parse_put_damage(struct parse_out *o, const char *fmt, ...) PRINTF(2, 3);
/* Nobody reads any more. */
bool parse_out_closed(const struct parse_out *o);

/* The bytes of the file; of SQL they may be no gzip. Ends with the last frame. */
void parse_tar(struct gzip_reader *gzip, struct parse_out *out);
struct parse_tables; /* what has to be opened before the process is shut in */
struct parse_tables *parse_sql_tables(void);
void parse_sql(struct source *in, struct parse_tables *t, unsigned threads, struct parse_out *out);

/* All of it, between two descriptors, in whatever process. words: those behind the first one. */
int parse_between(int in, int out, const char *const *words, int (*shut)(bool threads));

#endif
