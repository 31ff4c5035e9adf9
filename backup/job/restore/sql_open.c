#include "backup/job/restore/sql_open.h"

#include <unistd.h>
#include <errno.h>
#include "backup/archive/parse.h"
#include "common/exit_codes.h"
#include "common/error_phrase.h"
#include "common/json_get.h"

/* With the name of the text. */
static const char *const refusals[PARSE_REFUSALS] = {
    [PARSE_IS_AGE] = N_("%s is encrypted with age: decrypt it first, with `age --decrypt`"),
    [PARSE_IS_RAR] = N_("%s is a RAR archive: unpack it first, then restore the .sql file in it"),
    [PARSE_IS_7Z] = N_("%s is a 7z archive: unpack it first, then restore the .sql file in it"),
    [PARSE_IS_POSTGRES] = N_("%s is a dump of PostgreSQL, not of MariaDB or MySQL"),
    [PARSE_IS_SQLITE] = N_("%s is a database of SQLite, not SQL text of MariaDB or MySQL"),
    [PARSE_IS_XBSTREAM] = N_(
        "%s is a stream of mariadb-backup, not SQL text: unpack it with mbstream; it fits a server of the same series only"),
    [PARSE_HAS_PASSWORD] = N_("%s is protected with a password: unpack it first"),
    [PARSE_HAS_SEVERAL] = N_(
        "%s holds more than one SQL file: unpack it, then restore the right one"),
    [PARSE_HAS_NONE] = N_("%s holds no SQL file (.sql)"),
};

static const char *const forms[PARSE_NOTES] = {"UTF-16LE", "UTF-16BE"};

struct opened {
    struct run *run;
    int in;
    const char *name;
    int (*put)(void *ctx, const char *data, size_t n, struct err *e);
    void *ctx;
};

static int refuse(const struct opened *o, uint64_t is, struct err *e)
{
    if (is >= PARSE_REFUSALS)
        return err_set(e, EBADMSG, "the program that unpacks it gave no proper answer");
    json_t *said = phrase_of(refusals[is]);
    (void)json_array_append_new(said, json_text(o->name));
    (void)error_phrase_set(e, EINVAL, said);
    return EXIT_REFUSED;
}

static int damaged(const struct opened *o, struct err *e)
{
    json_t *said = phrase("%s is damaged or cut off: %s", o->name, "");
    phrase_set(said, 1, error_phrase_json(e));
    (void)error_phrase_set(e, EBADMSG, said);
    return EXIT_INCONSISTENT;
}

static int put_text(struct opened *o, const struct parse_frame *f, struct err *e)
{
    off_t at = lseek(o->in, 0, SEEK_CUR);
    if (at > 0)
        run_progress(o->run, (uint64_t)at, 0, 0, NULL);
    int code = f->n ? o->put(o->ctx, (const char *)f->data, f->n, e) : 0;
    return code == 0 && !run_go_on(o->run) ? run_pack_result(PACK_STOPPED, e) : code;
}

static int read_frames(struct opened *o, struct parser *p, struct err *e)
{
    struct parse_frame f = {.kind = PARSE_NOTE};
    int code = 0;
    while (code == 0 && (code = parser_next(p, &f, e)) == 0 && f.kind != PARSE_END) {
        if (f.kind == PARSE_REFUSED)
            return refuse(o, f.at, e);
        if (f.kind == PARSE_DATA)
            code = put_text(o, &f, e);
        else if (f.kind == PARSE_NOTE && f.at < PARSE_NOTES)
            run_note(
                "the text is %s, as PowerShell's > writes it, which can damage umlauts: look at them afterwards; `mariadb-dump --result-file=FILE` does without",
                forms[f.at]);
        else
            code = err_set(e, EBADMSG, "the program that unpacks it gave no proper answer");
    }
    return code;
}

int sql_open_read(struct run *r, int in, const char *name,
    int (*put)(void *ctx, const char *data, size_t n, struct err *e), void *ctx, struct err *e)
{
    struct opened o = {.run = r, .in = in, .name = name, .put = put, .ctx = ctx};
    struct parse_options as = {.as = PARSE_SQL};
    struct source *file = source_file(in, name);
    struct parser *p = NULL;
    struct err why = {0};
    int code = parser_start(&as, file, &p, &why);
    code = code == 0 ? read_frames(&o, p, &why) : code;
    parser_drop(p);
    file->drop(file);
    *e = why;
    return code == PARSE_BROKEN ? damaged(&o, e) : code;
}
