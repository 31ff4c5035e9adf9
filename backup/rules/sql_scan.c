#include "backup/rules/sql_scan.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "backup/rules/sql_lexer_internal.h"
#include "common/error.h"

static const char mark[] = "-- Dump completed";
static const char version_mark[] = "-- Server version";

/* --- words, wherever they stand outside of literals --- */

static void note_need(struct sql_scan *s, bool collation)
{
    if (strcasecmp(s->word, "default") == 0 || s->n_needs == SQL_SCAN_NEEDS)
        return;
    for (size_t i = 0; i < s->n_needs; i++)
        if (s->needs[i].collation == collation && strcasecmp(s->needs[i].name, s->word) == 0)
            return;
    struct sql_scan_need *n = &s->needs[s->n_needs++];
    n->collation = collation;
    n->line = sql_lexer_line(s->lexer);
    memcpy(n->name, s->word, sizeof n->name);
}

static void word_ends(struct sql_scan *s)
{
    s->word[s->word_len] = '\0';
    s->word_len = 0;
    unsigned expects = s->expects;
    s->expects = NEED_NOTHING;
    if (expects == NEED_CHARSET || expects == NEED_COLLATION)
        note_need(s, expects == NEED_COLLATION);
    else if (expects == NEED_SET && strcasecmp(s->word, "set") == 0)
        s->expects = NEED_CHARSET;
    else if (strcasecmp(s->word, "collate") == 0 ||
             strcasecmp(s->word, "collation_connection") == 0)
        s->expects = NEED_COLLATION;
    else if (strcasecmp(s->word, "charset") == 0)
        s->expects = NEED_CHARSET;
    else if (strcasecmp(s->word, "character") == 0)
        s->expects = NEED_SET;
}

/* As the lexer tells: a piece of a word, the end of one (n = 0), or a sign. */
static void on_word(void *ctx, const char *data, size_t n, bool sign)
{
    struct sql_scan *s = ctx;
    if (sign) {
        if (*data != '=')
            s->expects = NEED_NOTHING;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (s->word_len < sizeof s->word - 1)
            s->word[s->word_len++] = data[i];
    if (n == 0 && s->word_len > 0)
        word_ends(s);
}

/* --- statements --- */

static bool is(const struct sql_statement *st, size_t i, const char *word)
{
    return i < st->n_tokens && sql_token_is(st, i, word);
}

static bool is_any(const struct sql_statement *st, size_t i, const char *const *words)
{
    for (; *words; words++)
        if (is(st, i, *words))
            return true;
    return false;
}

static bool is_sign(const struct sql_statement *st, size_t i, char c)
{
    return i < st->n_tokens && st->tokens[i].kind == SQL_SIGN && st->text[st->tokens[i].at] == c;
}

static bool is_name(const struct sql_statement *st, size_t i)
{
    return i < st->n_tokens && (st->tokens[i].kind == SQL_NAME || st->tokens[i].kind == SQL_WORD);
}

/* CREATE DATABASE IF NOT EXISTS x: where x stands. */
static size_t behind_if(const struct sql_statement *st, size_t i)
{
    if (is(st, i, "IF"))
        i += is(st, i + 1, "NOT") ? 3 : 2;
    return i;
}

static void note_other(struct sql_scan *s, const struct sql_statement *st, size_t i)
{
    char name[SQL_SCAN_NAME_MAX];
    if (s->other_line || !is_name(st, i) || !sql_token_text(st, i, name, sizeof name) ||
        strcmp(name, s->database) == 0)
        return;
    s->other_line = st->line;
    memcpy(s->other, name, sizeof s->other);
}

/* `other`.`x`: the first part is a database. */
static void look_at_object(struct sql_scan *s, const struct sql_statement *st, size_t i)
{
    if (is_name(st, i) && is_sign(st, i + 1, '.') && is_name(st, i + 2))
        note_other(s, st, i);
}

static void look_at_all(struct sql_scan *s, const struct sql_statement *st)
{
    for (size_t i = 1; i < st->n_tokens; i++)
        if (!is_sign(st, i - 1, '.'))
            look_at_object(s, st, i);
    if (st->n_tokens == SQL_TOKENS_MAX && !s->long_line)
        s->long_line = st->line;
}

static struct sql_scan_table *table_of(struct sql_scan *s, const struct sql_statement *st, size_t i)
{
    char name[SQL_SCAN_NAME_MAX];
    if (is_sign(st, i + 1, '.'))
        i += 2;
    if (!is_name(st, i) || !sql_token_text(st, i, name, sizeof name))
        return NULL;
    for (size_t k = s->n_tables; k-- > 0;) /* mostly the last one made */
        if (strcmp(s->tables[k].name, name) == 0)
            return &s->tables[k];
    return NULL;
}

static void note_table(struct sql_scan *s, const struct sql_statement *st, size_t i)
{
    if (table_of(s, st, i))
        return;
    if (is_sign(st, i + 1, '.'))
        i += 2;
    if (s->n_tables == s->room) {
        s->room = s->room ? 2 * s->room : 64;
        s->tables = xrealloc(s->tables, s->room * sizeof *s->tables);
    }
    struct sql_scan_table *t = &s->tables[s->n_tables];
    memset(t, 0, sizeof *t);
    if (is_name(st, i) && sql_token_text(st, i, t->name, sizeof t->name))
        s->n_tables++;
}

/* INSERT, REPLACE, LOAD DATA: the table stands behind INTO, or behind the verb and its options. */
static void fills(struct sql_scan *s, const struct sql_statement *st)
{
    static const char *const options[] = {
        "LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO", "TABLE", NULL};
    size_t i = 1;
    if (is(st, 0, "LOAD"))
        while (i < st->n_tokens && !is(st, i, "INTO"))
            i++;
    while (is_any(st, i, options))
        i++;
    look_at_object(s, st, i);
    struct sql_scan_table *t = table_of(s, st, i);
    if (t)
        t->filled = true;
}

/* CREATE, ALTER: up to the kind of object there may be options and a definer. */
static void defines(struct sql_scan *s, const struct sql_statement *st)
{
    static const char *const kinds[] = {"TABLE", "VIEW", "TRIGGER", "PROCEDURE", "FUNCTION",
        "EVENT", "SEQUENCE", "PACKAGE", "INDEX", "DATABASE", "SCHEMA", "USER", "ROLE", "SERVER",
        NULL};
    size_t i = 1;
    while (i < st->n_tokens && !(st->tokens[i].kind == SQL_WORD && is_any(st, i, kinds)))
        i++;
    if (is(st, i, "DATABASE") || is(st, i, "SCHEMA")) {
        note_other(s, st, behind_if(st, i + 1));
    } else if (is(st, i, "USER") || is(st, i, "ROLE") || is(st, i, "SERVER")) {
        if (!s->account_line)
            s->account_line = st->line;
    } else {
        size_t object = behind_if(st, i + 1 + (is(st, i, "PACKAGE") && is(st, i + 1, "BODY")));
        look_at_object(s, st, object);
        if (is(st, 0, "CREATE") && is(st, i, "TABLE"))
            note_table(s, st, object);
        for (size_t k = object; (is(st, i, "TRIGGER") || is(st, i, "INDEX")) && k < st->n_tokens;
             k++)
            if (is(st, k, "ON")) {
                look_at_object(s, st, k + 1);
                break;
            }
    }
}

static void drops(struct sql_scan *s, const struct sql_statement *st)
{
    if (is(st, 1, "DATABASE") || is(st, 1, "SCHEMA"))
        note_other(s, st, behind_if(st, 2));
    else if ((is(st, 1, "USER") || is(st, 1, "ROLE")) && !s->account_line)
        s->account_line = st->line;
    else
        look_at_all(s, st);
}

static void sets(struct sql_scan *s, const struct sql_statement *st)
{
    for (size_t i = 1; i < st->n_tokens; i++)
        if (is(st, i, "GTID_PURGED") && !s->gtid_line)
            s->gtid_line = st->line;
        else if (is(st, 1, "PASSWORD") && !s->account_line)
            s->account_line = st->line;
}

static void take(struct sql_scan *s, const struct sql_statement *st)
{
    static const char *const filling[] = {"INSERT", "REPLACE", "LOAD", NULL};
    static const char *const defining[] = {"CREATE", "ALTER", NULL};
    static const char *const listing[] = {"LOCK", "RENAME", "TRUNCATE", NULL};
    s->statements++;
    if (is(st, 0, "USE"))
        note_other(s, st, 1);
    else if (is_any(st, 0, filling))
        fills(s, st);
    else if (is_any(st, 0, defining))
        defines(s, st);
    else if (is(st, 0, "DROP"))
        drops(s, st);
    else if (is_any(st, 0, listing))
        look_at_all(s, st);
    else if (is(st, 0, "UPDATE") || is(st, 0, "CALL"))
        look_at_object(s, st, 1);
    else if (is(st, 0, "DELETE") && is(st, 1, "FROM"))
        look_at_object(s, st, 2);
    else if (is(st, 0, "SET"))
        sets(s, st);
    else if ((is(st, 0, "GRANT") || is(st, 0, "REVOKE")) && !s->account_line)
        s->account_line = st->line;
}

/* --- the text as a whole --- */

void sql_scan_start(struct sql_scan *s, const char *database)
{
    sql_scan_clear(s);
    s->lines = 1;
    s->lexer = sql_lexer_new(false, 0);
    s->lexer->words = on_word;
    s->lexer->words_ctx = s;
    snprintf(s->database, sizeof s->database, "%s", database);
}

void sql_scan_clear(struct sql_scan *s)
{
    sql_lexer_free(s->lexer);
    free(s->tables);
    *s = (struct sql_scan){0};
}

static void look(struct sql_scan *s)
{
    struct sql_statement st;
    int more;
    while (!s->refused && (more = sql_lexer_next(s->lexer, &st)) != 0) {
        if (more > 0) {
            take(s, &st);
            continue;
        }
        s->refused = sql_lexer_refused(s->lexer);
        s->refused_line = sql_lexer_line(s->lexer);
        /* The word, or the sign, that was read last. */
        const char *begin = s->lexer->window, *end = begin + s->lexer->at, *at = end;
        while (at > begin && isalpha((unsigned char)at[-1]))
            at--;
        if (at == end && at > begin)
            at--;
        snprintf(s->command, sizeof s->command, "%.*s", (int)(end - at), at);
    }
}

static void keep_ends(struct sql_scan *s, const char *data, size_t n)
{
    size_t take = sizeof s->head - 1 - s->head_len;
    take = take < n ? take : n;
    memcpy(s->head + s->head_len, data, take);
    s->head_len += take;
    for (size_t i = 0; i < n; i++) {
        s->lines += data[i] == '\n';
        if (s->tail_len == sizeof s->tail) {
            memmove(s->tail, s->tail + SQL_SCAN_TAIL, SQL_SCAN_TAIL);
            s->tail_len = SQL_SCAN_TAIL;
        }
        s->tail[s->tail_len++] = data[i];
    }
}

void sql_scan_feed(struct sql_scan *s, const char *data, size_t n)
{
    keep_ends(s, data, n);
    if (s->refused)
        return;
    sql_lexer_feed(s->lexer, data, n);
    look(s);
}

/* Behind the mark come comments and empty lines only. */
static bool ends_with_mark(const struct sql_scan *s)
{
    const char *end = s->tail + s->tail_len, *begin = end;
    while (begin > s->tail) {
        const char *line = begin - 1;
        while (line > s->tail && line[-1] != '\n')
            line--;
        size_t n = (size_t)(begin - line);
        while (n > 0 && isspace((unsigned char)line[n - 1]))
            n--;
        if (n >= sizeof mark - 1 && memcmp(line, mark, sizeof mark - 1) == 0)
            return true;
        if (n > 0 && memcmp(line, "--", n < 2 ? n : 2) != 0)
            return false;
        begin = line;
    }
    return false;
}

static void read_head(struct sql_scan *s)
{
    s->head[s->head_len] = '\0';
    const char *at = strstr(s->head, version_mark);
    if (!at)
        return;
    at += sizeof version_mark - 1;
    at += strspn(at, " \t");
    snprintf(s->server, sizeof s->server, "%.*s", (int)strcspn(at, " \t\r\n"), at);
}

void sql_scan_finish(struct sql_scan *s)
{
    sql_lexer_end(s->lexer);
    look(s);
    s->complete = s->refused != SQL_OPEN && ends_with_mark(s);
    read_head(s);
}
