/*
 * Whatever a server or a program said: what comes out is whole UTF-8 within its bound, and is
 * either made of our own words, whatever the letters of the input are, or one line of it.
 */
#include <stdint.h>
#include <string.h>

#include "common/error.h"
#include "common/said.h"
#include "common/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct err *e)
{
    const char *said = e->text;
    size_t n = strlen(said);
    CHECK(n > 0 && utf8_check(said, n) == n && !strchr(said, '\n'));
}

/* A known line of the text, repeated, or words of ours, which have no other characters than ASCII.
 */
static void check_program(const char *text)
{
    struct err e = {0};
    const char *said = e.text;
    said_of_program(text, &e);
    for (const char *p = said; *p; p++)
        CHECK((unsigned char)*p < 0x80 || strstr(said, "option") || strstr(said, "variable") ||
              strstr(said, "file") || strstr(said, "table") || strstr(said, "find") ||
              strstr(said, "errno") || strstr(said, "error 28"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err buf = {0};
    unsigned number = size > 1 ? (unsigned)data[0] << 8 | data[1] : 0;
    _cleanup_free_ char *text = xcalloc(size + 1, 1);
    for (size_t i = 0; i < size; i++)
        text[i] = data[i] ? (char)data[i] : '?';
    said_of_program(text, &buf);
    check(&buf);
    said_of_log(text, &buf);
    check(&buf);
    said_of_check(text, &buf);
    check(&buf);
    said_of_ours(number, text, &buf);
    check(&buf);
    said_of_theirs(number, text, &buf);
    check(&buf);
    check_program(text);
    return 0;
}
