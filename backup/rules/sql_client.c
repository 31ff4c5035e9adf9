/*
 * How the stock client (client/mysql.cc, add_line) cuts its input: line by line, with a state of
 * its own for quotes and comments that is nearly the server's.
 */
#include <string.h>
#include "backup/rules/sql_lexer_internal.h"

static char at(const struct sql_lexer *l, size_t i)
{
    return i < l->have ? l->window[i] : '\0';
}

static bool space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool pair(const struct sql_lexer *l, size_t i, const char *two)
{
    return at(l, i) == two[0] && at(l, i + 1) == two[1];
}

static bool escaped(const struct sql_lexer *l)
{
    char s = l->client.string;
    return !l->client.comment && s != '`' && !(s == '"' && (l->modes & SQL_ANSI_QUOTES)) &&
           !(s && (l->modes & SQL_NO_BACKSLASH_ESCAPES));
}

/* To the end of the line; also two dashes with nothing before them, whatever comes after. */
static bool line_comment(const struct sql_lexer *l, size_t i)
{
    char third = at(l, i + 2);
    return at(l, i) == '#' || (pair(l, i, "--") && (space(third) || !third || l->client.empty));
}

/* It becomes part of what is sent. */
static void accept(struct sql_lexer *l, size_t i)
{
    char c = at(l, i);
    if (!l->client.string && pair(l, i, "/*") && at(l, i + 2) == '!')
        l->client.conditional = true;
    else if (!l->client.string && l->client.conditional && pair(l, i, "*/"))
        l->client.conditional = false;
    if (c == l->client.string)
        l->client.string = 0;
    else if (!l->client.comment && !l->client.string && (c == '\'' || c == '"' || c == '`'))
        l->client.string = c;
    if (!l->client.comment && !space(c))
        l->client.empty = false;
}

/* One step; true where a statement ends. */
static bool client_step(struct sql_lexer *l)
{
    size_t i = l->client.next++;
    char c = at(l, i);
    bool code = !l->client.comment && !l->client.string;
    if (c == '\n') { /* what it knows of a version comment does not live longer than its line */
        l->client.line = l->client.conditional = false;
        return false;
    }
    if (l->client.line)
        return false;
    if (c == '\\' && escaped(l)) {
        l->client.empty = false;
        l->client.next += at(l, i + 1) != '\n' && i + 1 < l->have;
    } else if (code && i + l->delimiter_len <= l->have &&
               memcmp(l->window + i, l->delimiter, l->delimiter_len) == 0) {
        l->client.next = i + l->delimiter_len;
        l->client.empty = true;
        return true;
    } else if (code && line_comment(l, i)) {
        l->client.line = true;
    } else if (!l->client.string && pair(l, i, "/*") && at(l, i + 2) != '!' &&
               !(at(l, i + 2) == 'M' && at(l, i + 3) == '!')) {
        l->client.comment = true;
        l->client.next = i + 2;
    } else if (l->client.comment && !l->client.conditional && pair(l, i, "*/")) {
        l->client.comment = false;
        l->client.next = i + 2;
    } else
        accept(l, i);
    return false;
}

size_t sql_client_reads(struct sql_lexer *l, size_t to)
{
    while (l->client.next < to) {
        size_t i = l->client.next;
        if (client_step(l))
            return i;
    }
    return SQL_NO_PLACE;
}
