#include "backup/job/method/dump_beside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/process.h"
#include "common/utf8.h"
#include "common/json_get.h"

#define ACCOUNTS_MS  60000
#define ACCOUNTS_MAX (4 << 20)

static int note_database(void *ctx, const struct server_row *row, struct err *e)
{
    (void)e;
    json_object_set_new(ctx, "character_set", json_text(row->text[0]));
    json_object_set_new(ctx, "collation", json_text(row->text[1]));
    json_object_set_new(ctx, "comment", json_text(row->text[2] ? row->text[2] : ""));
    return 0;
}

int dump_beside_database(struct server *s, const char *database, json_t **out, struct err *e)
{
    uint64_t comments = 0; /* servers before 10.5 have none */
    _cleanup_json_ json_t *like = json_object();
    _cleanup_free_ char *name = server_quote_text(s, database);
    int r = server_u64(s, &comments, e,
        "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='information_schema' AND TABLE_NAME='SCHEMATA' AND COLUMN_NAME='SCHEMA_COMMENT'");
    if (r == 0)
        r = server_rows(s, note_database, like, e,
            "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, %s FROM information_schema.SCHEMATA WHERE SCHEMA_NAME=%s",
            comments ? "SCHEMA_COMMENT" : "''", name);
    if (r == 0)
        *out = json_incref(like);
    return r;
}

/* A manifest may come from anywhere: a name of these has letters, digits and "_". */
static const char *word(const json_t *like, const char *key)
{
    const char *s = json_get_str(like, key);
    return s && *s && strlen(s) < 64 &&
                   !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")]
               ? s
               : NULL;
}

char *dump_beside_clause(struct server *s, const json_t *like)
{
    const char *set = word(like, "character_set"), *collation = word(like, "collation");
    const char *comment = json_get_str(like, "comment");
    _cleanup_free_ char *quoted = comment && *comment ? server_quote_text(s, comment) : NULL;
    return xasprintf("%s%s%s%s%s%s", set ? "CHARACTER SET " : "", set ? set : "",
        set && collation ? " COLLATE " : "", set && collation ? collation : "",
        quoted ? " COMMENT " : "", quoted ? quoted : "");
}

static int take_text(int fd, char **out, struct err *e)
{
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0 || size > ACCOUNTS_MAX)
        return err_set(e, EFBIG, "they are %lld bytes", (long long)size);
    _cleanup_free_ char *text = xcalloc((size_t)size + 1, 1);
    if (pread(fd, text, (size_t)size, 0) != (ssize_t)size)
        return err_sys(e, EIO, "cannot read them");
    if (utf8_check(text, (size_t)size) != (size_t)size || strlen(text) != (size_t)size)
        return err_set(e, EILSEQ, "their text is not UTF-8");
    *out = xstrdup(text);
    return 0;
}

static int add_line(void *ctx, const struct server_row *row, struct err *e)
{
    char **text = ctx;
    if (strlen(*text) > ACCOUNTS_MAX)
        return err_set(e, EFBIG, "they are more than %d bytes", ACCOUNTS_MAX);
    xappendf(text, "%s;\n", row->text[0]);
    return 0;
}

/* MySQL has no program that writes them. With what was hashed as digits, since it is no text. */
static int accounts_of_mysql(struct server *s, char **out, struct err *e)
{
    _cleanup_json_ json_t *names = NULL;
    json_t *name;
    size_t i;
    char *text = xstrdup("");
    int r = server_exec(s, e, "SET SESSION print_identified_with_as_hex=ON");
    if (r == 0)
        r = server_names(s, &names, e,
            "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE User NOT LIKE 'mysql.%%' ORDER BY 1");
    json_array_foreach (names, i, name)
        if (r == 0)
            r = server_rows(s, add_line, &text, e, "SHOW CREATE USER %s", json_string_value(name));
    json_array_foreach (names, i, name) /* a role is an account as well, and comes first */
        if (r == 0)
            r = server_rows(s, add_line, &text, e, "SHOW GRANTS FOR %s", json_string_value(name));
    if (r == 0)
        *out = text;
    else
        free(text);
    return r;
}

int dump_beside_accounts(const struct server_target *target, const char *program, int login,
    char **out, bool (*go_on)(void *ctx), void *ctx, struct err *e)
{
    struct server *s = NULL;
    int known = server_connect(target, "elexgate-job", &s, e);
    bool mysql = known == 0 && server_is_mysql(s);
    if (mysql)
        known = accounts_of_mysql(s, out, e);
    server_close(s);
    if (mysql || known < 0)
        return known;
    char options[64];
    _cleanup_fd_ int text = memfd_create("accounts", MFD_CLOEXEC);
    _cleanup_fd_ int said = memfd_create("said", MFD_CLOEXEC);
    snprintf(options, sizeof options, "--defaults-file=/proc/self/fd/%d", login);
    const char *argv[] = {program, options, "--system=users", NULL};
    struct process_options o = {.argv = argv, .out = text, .err = said, .keep = login};
    int r = process_run(&o, ACCOUNTS_MS, go_on, ctx, e);
    if (r != 0)
        return r < 0 ? r : err_prefix(e, -EIO, "--system=users");
    return take_text(text, out, e);
}
