/*
 * What a dump sets that changes how the rest is read: sql_mode, put away in user variables and
 * taken from there again, and the client's character set.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "backup/rules/sql_lexer_internal.h"
#include "common/error.h"
#include "common/lang.h"

void sql_modes_clear(struct sql_lexer *l)
{
    for (size_t i = 0; i < l->n_variables; i++)
        free(l->variables[i].name);
    l->n_variables = 0;
}

static const unsigned *variable(struct sql_lexer *l, const char *name)
{
    for (size_t i = 0; i < l->n_variables; i++)
        if (strcasecmp(l->variables[i].name, name) == 0)
            return &l->variables[i].modes;
    return NULL;
}

static void forget(struct sql_lexer *l, size_t i)
{
    free(l->variables[i].name);
    memmove(
        l->variables + i, l->variables + i + 1, (--l->n_variables - i) * sizeof l->variables[0]);
}

/* No dump puts many away; one that was forgotten is refused where it is used. */
static void remember(struct sql_lexer *l, const char *name, bool known, unsigned modes)
{
    for (size_t i = 0; i < l->n_variables; i++)
        if (strcasecmp(l->variables[i].name, name) == 0)
            forget(l, i);
    if (!known)
        return;
    if (l->n_variables == SQL_VARIABLES_MAX)
        forget(l, 0);
    l->variables[l->n_variables].name = xstrdup(name);
    l->variables[l->n_variables++].modes = modes;
}

/* Of a list of modes, what matters here. The names of other products stand for several. */
static unsigned modes_of(const char *list)
{
    static const char *const ansi[] = {
        "ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL"};
    unsigned modes = 0;
    for (const char *p = list; *p; p += p[0] == ',') {
        size_t n = strcspn(p, ",");
        for (size_t i = 0; i < sizeof ansi / sizeof ansi[0]; i++)
            if (n == strlen(ansi[i]) && strncasecmp(p, ansi[i], n) == 0)
                modes |= SQL_ANSI_QUOTES;
        if (n == 20 && strncasecmp(p, "NO_BACKSLASH_ESCAPES", n) == 0)
            modes |= SQL_NO_BACKSLASH_ESCAPES;
        if (n == 5 && strncasecmp(p, "MSSQL", n) == 0)
            modes |= SQL_MSSQL;
        p += n;
    }
    return modes;
}

static bool sign(const struct sql_statement *s, size_t i, char c)
{
    return i < s->n_tokens && s->tokens[i].kind == SQL_SIGN && s->text[s->tokens[i].at] == c;
}

/* [@@][SESSION|LOCAL][.]sql_mode: the token behind it, or 0. */
static size_t mode_name_ends(const struct sql_statement *s, size_t i, size_t end)
{
    while (i < end && (sign(s, i, '@') || sign(s, i, '.') || sql_token_is(s, i, "SESSION") ||
                          sql_token_is(s, i, "LOCAL")))
        i++;
    char name[16];
    return i < end && sql_token_text(s, i, name, sizeof name) && strcasecmp(name, "sql_mode") == 0
               ? i + 1
               : 0;
}

/* A value made of literals, of variables that were put away and of the mode itself: what all of
 * them agree on. */
static bool value_of(
    struct sql_lexer *l, const struct sql_statement *s, size_t i, size_t end, unsigned *out)
{
    bool known = false, clear = true;
    char text[1024];
    for (; i < end; i++) {
        unsigned modes;
        if (s->tokens[i].kind == SQL_STRING && sql_token_text(s, i, text, sizeof text))
            modes = modes_of(text);
        else if (sign(s, i, '@') && !sign(s, i + 1, '@') &&
                 sql_token_text(s, i + 1, text, sizeof text)) {
            const unsigned *put_away = variable(l, text);
            clear = clear && put_away;
            modes = put_away ? *put_away : 0;
            i++;
        } else if (sign(s, i, '@') && mode_name_ends(s, i, end)) {
            modes = l->modes;
            i = mode_name_ends(s, i, end) - 1;
        } else if (s->tokens[i].kind == SQL_WORD && end - i == 1)
            modes = sql_token_text(s, i, text, sizeof text) ? modes_of(text) : 0;
        else
            continue;
        clear = clear && (!known || *out == modes);
        known = true;
        *out = modes;
    }
    return known && clear;
}

static void assignment(struct sql_lexer *l, const struct sql_statement *s, size_t i, size_t end)
{
    size_t value = i;
    while (value < end && !sign(s, value, '='))
        value++;
    if (value == end)
        return;
    unsigned modes = 0;
    char name[128];
    if (mode_name_ends(s, i, value)) {
        if (value_of(l, s, value + 1, end, &modes))
            l->modes = modes;
        else
            l->refused = SQL_MODE;
    } else if (sign(s, i, '@') && !sign(s, i + 1, '@') &&
               sql_token_text(s, i + 1, name, sizeof name)) {
        bool mode = false;
        for (size_t k = value + 1; k < end; k++)
            mode = mode || sql_token_is(s, k, "sql_mode");
        mode = mode && value_of(l, s, value + 1, end, &modes);
        remember(l, name, mode, modes);
    }
}

/* Their letters hold quotes, backslashes or worse, or they are no supersets of ASCII. */
static bool unsafe_charset(const char *name)
{
    static const char *const names[] = {"big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312",
        "gbk", "sjis", "swe7", "ucs2", "ujis", "utf16", "utf16le", "utf32"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return false;
}

void sql_modes_follow(struct sql_lexer *l, const struct sql_statement *s)
{
    char text[64];
    if (!sql_token_is(s, 0, "SET") || sql_token_is(s, 1, "STATEMENT"))
        return;
    for (size_t i = 1; i < s->n_tokens; i++)
        if (sql_token_text(s, i, text, sizeof text) && unsafe_charset(text))
            l->refused = SQL_CHARSET;
    int depth = 0;
    for (size_t i = 1, from = 1; i <= s->n_tokens; i++) {
        depth += sign(s, i, '(') - sign(s, i, ')');
        if (i < s->n_tokens && !(depth == 0 && sign(s, i, ',')))
            continue;
        assignment(l, s, from, i);
        from = i + 1;
    }
    if (s->n_tokens == SQL_TOKENS_MAX)
        l->refused = SQL_MODE; /* longer than what was looked at */
}

/* --- tokens --- */

bool sql_token_is(const struct sql_statement *s, size_t i, const char *word)
{
    return i < s->n_tokens && s->tokens[i].kind == SQL_WORD && s->tokens[i].len == strlen(word) &&
           strncasecmp(s->text + s->tokens[i].at, word, s->tokens[i].len) == 0;
}

bool sql_token_text(const struct sql_statement *s, size_t i, char *buf, size_t size)
{
    if (i >= s->n_tokens || s->tokens[i].kind == SQL_SIGN)
        return false;
    const char *p = s->text + s->tokens[i].at, *end = p + s->tokens[i].len;
    char quote = s->tokens[i].kind == SQL_WORD ? 0 : *p;
    size_t n = 0;
    if (quote) {
        p++;
        end--;
    }
    for (; p < end; p++) {
        if (quote && *p == quote)
            p++;
        if (n + 1 >= size)
            return false;
        buf[n++] = *p;
    }
    buf[n] = '\0';
    return true;
}

/* --- words --- */

static const char *const words[] = {
    [SQL_ACCEPTED] = "",
    [SQL_NUL] = N_("a NUL byte: this is no text"),
    [SQL_CONTROL] = N_("a control character outside of literals"),
    [SQL_DASHES] = N_("\"--\" that is a comment to one program and none to another"),
    [SQL_BACKSLASH] = N_("a backslash outside of literals"),
    [SQL_COMMENT] = N_("a comment that servers and clients read differently"),
    [SQL_SPLIT] = N_("a delimiter that ends the statement for one program and not for another"),
    [SQL_COMMAND] = N_("a command of the client program"),
    [SQL_DELIMITER] = N_("a DELIMITER that is not one plain word on a line of its own"),
    [SQL_CHARSET] = N_("a character set whose letters can hold quotes"),
    [SQL_MODE] = N_("a sql_mode that only the server knows"),
    [SQL_LONG] = N_("a statement longer than 1 GB"),
    [SQL_OPEN] = N_("the text ends inside a literal or a comment"),
};

const char *sql_refusal_words(enum sql_refusal r)
{
    return words[r];
}
