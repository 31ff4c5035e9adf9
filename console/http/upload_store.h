/*
 * Files that a browser sends piece by piece: the SQL dump of a restore, gigabytes long.
 *
 * An upload ID is 32 lower-case hexadecimal digits, drawn at random. In the store's folder lie
 *
 *     ID.part   the bytes that have arrived while it grows, mode 0600
 *     ID        the same file once all of it is there
 *     ID.json   {"size":N,"offset":N,"name":"...","owner":"...","created":"2026-..."}
 *
 * so that whoever reads FOLDER/ID (the keeper, as [console] upload_dir/ID) never gets half a file.
 * The offset counts only bytes that fsync has put on the disk; after a crash the file is cut back
 * to it and goes on from there. The name is the browser's and is only shown; it never becomes a
 * path. Memory does not depend on the size of the file.
 *
 * Thread-safe: requests run in threads of their own. One upload is appended to by one request at a
 * time. Offsets and lengths are those of tus 1.0 (https://tus.io/protocols/resumable-upload).
 */
#ifndef ELEXGATE_CONSOLE_HTTP_UPLOAD_STORE_H
#define ELEXGATE_CONSOLE_HTTP_UPLOAD_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"

#define UPLOAD_ID_LEN    33 /* with the NUL */
#define UPLOAD_NAME_MAX  255
#define UPLOAD_COUNT_MAX 32 /* uploads that lie in the folder at a time */

struct upload_store;
struct upload_append;

/* Makes the folder (0700) where it is missing. max_size: of one upload, in bytes. */
int upload_store_open(
    const char *dir, int64_t max_size, struct upload_store **out, struct err *e) MUSTCHECK;
void upload_store_close(struct upload_store *s); /* NULL allowed */

/* true for 32 lower-case hexadecimal digits; everything else is never looked for on disk. */
bool upload_id_valid(const char *id);

/* A new, empty upload. -EFBIG: size above max_size; -ENOSPC: the file system has not size bytes and
 * a reserve; -EDQUOT: UPLOAD_COUNT_MAX of them lie there; -EINVAL: size below 1, name or owner too
 * long or not UTF-8. */
int upload_store_create(struct upload_store *s, int64_t size, const char *name, const char *owner,
    char id[static UPLOAD_ID_LEN], struct err *e) MUSTCHECK;

/* What is on the disk, and what is to come in all. -ENOENT: no such upload, also for an ID that is
 * not valid. */
int upload_store_offset(struct upload_store *s, const char *id, int64_t *offset, int64_t *size,
    struct err *e) MUSTCHECK;

/* Appending: begin, data as often as it comes, end (always, also after an error of data).
 * begin: -ENOENT; -ESTALE: offset is not what has arrived; -EBUSY: another request appends.
 * data: -EFBIG: more than was announced; -ENOSPC; what was written before stays.
 * end: fsyncs, publishes a complete file as ID, gives the offset that has been reached (offset may
 * be NULL), frees a. */
int upload_store_append_begin(struct upload_store *s, const char *id, int64_t offset,
    struct upload_append **out, struct err *e) MUSTCHECK;
int upload_store_append_data(
    struct upload_append *a, const void *data, size_t len, struct err *e) MUSTCHECK;
int upload_store_append_end(struct upload_append *a, int64_t *offset, struct err *e) MUSTCHECK;

/* -ENOENT; -EBUSY while a request appends. */
int upload_store_remove(struct upload_store *s, const char *id, struct err *e) MUSTCHECK;

/* [{"id","name","owner","size","offset","complete":bool,"created":ISO}], newest first. New
 * reference. owner NULL: everybody's. */
json_t *upload_store_list(struct upload_store *s, const char *owner) MUSTCHECK;

/* Removes what nobody has appended to for max_age_ms, and half-made leftovers. Returns how many. */
unsigned upload_store_expire(struct upload_store *s, int64_t max_age_ms);

#endif
