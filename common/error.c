#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "common/phrase.h"
#include "common/utf8.h"

void err_keep_phrase(struct err *e, const char *carried)
{
    bool fits = carried && strlen(carried) < sizeof e->phrase;
    snprintf(e->phrase, sizeof e->phrase, "%s", fits ? carried : "");
}

/* The sentence that was recorded last, and what stands before it: parts of one phrase. */
static void keep_phrase(struct err *e, json_t *sentence, const char *behind)
{
    json_t *parts = phrase_uncarried(behind), *all = json_array();
    (void)json_array_append_new(all, sentence);
    if (json_is_string(json_array_get(parts, 0)))
        (void)json_array_append(all, parts);
    else
        (void)json_array_extend(all, parts);
    _cleanup_free_ char *carried = phrase_carried(
        json_array_size(all) == 1 ? json_array_get(all, 0) : all);
    err_keep_phrase(e, carried);
    json_decref(parts);
    json_decref(all);
}

/* A message quotes what came from outside: names of files, values, a peer's words. Whatever bytes
 * those were, a message is UTF-8 and is cut between two characters, so that it can stand in JSON,
 * in a log and on a terminal. Arguments may point into the old text, so it is replaced only at the
 * end. */
static PRINTF(3, 0) void record_v(struct err *e, int code, const char *fmt, va_list ap)
{
    struct err fresh = {.code = code};
    json_t *sentence = phrase_v(fmt, ap);
    _cleanup_free_ char *words = phrase_words(LANG_EN, sentence);
    utf8_copy(fresh.text, sizeof fresh.text, words);
    keep_phrase(&fresh, sentence, "");
    *e = fresh;
}

const char *err_words(const struct err *e)
{
    return *e->phrase ? e->phrase : e->text;
}

int err_set_v(struct err *e, int code, const char *fmt, va_list ap)
{
    CHECK(code > 0);
    if (e)
        record_v(e, code, fmt, ap);
    return -code;
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int r = err_set_v(e, code, fmt, ap);
    va_end(ap);
    return r;
}

int err_outcome(struct err *e, int outcome, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)err_set_v(e, code, fmt, ap);
    va_end(ap);
    return outcome;
}

int err_copy(struct err *e, int code, const struct err *from)
{
    if (e && e != from)
        *e = *from;
    if (e)
        e->code = code;
    return -code;
}

int err_prefix_v(struct err *e, int code, const char *fmt, va_list ap)
{
    if (!e)
        return code;
    struct err fresh = {.code = e->code};
    json_t *sentence = phrase_v(fmt, ap);
    _cleanup_free_ char *words = phrase_words(LANG_EN, sentence);
    utf8_format(fresh.text, sizeof fresh.text, "%s: %s", words, e->text);
    if (*e->phrase)
        keep_phrase(&fresh, sentence, e->phrase);
    else
        json_decref(sentence);
    *e = fresh;
    return code;
}

int err_prefix(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    code = err_prefix_v(e, code, fmt, ap);
    va_end(ap);
    return code;
}

/* What readers of other languages are told too: strerror()'s own words in the C locale. */
static const struct {
    int code;
    const char *words;
} known[] = {
    {ENOENT, N_("No such file or directory")},
    {EACCES, N_("Permission denied")},
    {EPERM, N_("Operation not permitted")},
    {ENOSPC, N_("No space left on device")},
    {EROFS, N_("Read-only file system")},
    {EIO, N_("Input/output error")},
    {EEXIST, N_("File exists")},
    {ENOTDIR, N_("Not a directory")},
    {EISDIR, N_("Is a directory")},
    {ENOMEM, N_("Cannot allocate memory")},
    {ECONNREFUSED, N_("Connection refused")},
    {ECONNRESET, N_("Connection reset by peer")},
    {ETIMEDOUT, N_("Connection timed out")},
    {EPIPE, N_("Broken pipe")},
    {EBUSY, N_("Device or resource busy")},
    {EINVAL, N_("Invalid argument")},
    {ENOTEMPTY, N_("Directory not empty")},
    {ENOEXEC, N_("Exec format error")},
    {EMFILE, N_("Too many open files")},
    {EADDRINUSE, N_("Address already in use")},
    {EHOSTUNREACH, N_("No route to host")},
    {ENODEV, N_("No such device")},
    {EDQUOT, N_("Disk quota exceeded")},
    {EXDEV, N_("Invalid cross-device link")},
    {ELOOP, N_("Too many levels of symbolic links")},
};

static const char *words_of(int code, char *buf, size_t size)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == code)
            return known[i].words;
    return strerror_r(code, buf, size);
}

int err_sys(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    char text[128];
    struct err why = {0};

    CHECK(code > 0);
    if (!e)
        return -code;
    const char *words = words_of(code, text, sizeof text);
    (void)err_set(&why, code, "%s", words);
    keep_phrase(&why, phrase_of(words), "");
    va_start(ap, fmt);
    (void)err_prefix_v(&why, -code, fmt, ap);
    va_end(ap);
    *e = why;
    return -code;
}
