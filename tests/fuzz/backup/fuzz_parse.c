/*
 * The parser of what others have written (parse.h). The first byte says as what the rest is taken:
 * a gzip, an SQL file however it is packed, or a member on its way from the process that parses, as
 * one that was taken over would send it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/archive/parse.h"
#include "backup/archive/parse_member.h"
#include "common/file.h"

#define BYTES_MAX (64u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken says the same when it is sent once more. */
static void member(const uint8_t *data, size_t size)
{
    struct archive_entry *ae = archive_entry_new(), *again = archive_entry_new();
    struct buffer b, c;
    buffer_init(&b, 1 << 20);
    buffer_init(&c, 1 << 20);
    if (parse_member_take(data, size, ae) && parse_member_put(&b, ae)) {
        CHECK(parse_member_take(buffer_ptr(&b), buffer_len(&b), again));
        CHECK(parse_member_put(&c, again) && buffer_len(&b) == buffer_len(&c));
        CHECK(strcmp(archive_entry_pathname(ae), archive_entry_pathname(again)) == 0);
    }
    buffer_free(&b);
    buffer_free(&c);
    archive_entry_free(ae);
    archive_entry_free(again);
}

static void whole(enum parse_as as, const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct parser *p = NULL;
    struct parse_frame f = {.kind = PARSE_NOTE};
    uint64_t bytes = 0;
    int r = 0, fd = memfd_create("input", MFD_CLOEXEC);
    CHECK(fd >= 0 && fd_write_all(fd, data, size, NULL) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    struct source *from = source_file(fd, "input");
    struct parse_options o = {.as = as, .threads = 1};
    CHECK(parser_start(&o, from, &p, &e) == 0);
    while (f.kind != PARSE_END && f.kind != PARSE_REFUSED && bytes < BYTES_MAX &&
           (r = parser_next(p, &f, &e)) == 0) {
        CHECK(f.kind != PARSE_MEMBER && f.kind != PARSE_DONE && f.kind != PARSE_DAMAGED);
        CHECK(f.kind != PARSE_DATA || f.at == bytes);
        bytes += f.kind == PARSE_DATA ? f.n : 0;
    }
    CHECK(r == 0 || e.text[0]);
    CHECK(f.kind != PARSE_END || f.at == bytes);
    parser_drop(p);
    from->drop(from);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 3 == 0)
        member(data + 1, size - 1);
    else
        whole(data[0] % 3 == 1 ? PARSE_GZIP : PARSE_SQL, data + 1, size - 1);
    return 0;
}
