#include "backup/rules/sql_scan.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum state {
    PLAIN,
    STRING,        /* '...' */
    DOUBLE_STRING, /* "..." */
    NAME,          /* `...` */
    LINE_COMMENT,
    BLOCK_COMMENT,
    DELIMITER_LINE, /* the rest of a DELIMITER line */
    COMMAND_LINE,   /* the rest of a line with a command of the client */
};

#define NEVER 999999u

static const char mark[] = "-- Dump completed";
static const char collation[] = "utf8mb4_0900_";

void sql_scan_start(struct sql_scan *s, const char *database)
{
    *s = (struct sql_scan){.lines = 1, .delimiter = ";"};
    snprintf(s->database, sizeof s->database, "%s", database);
}

static bool is(const struct sql_scan *s, unsigned i, const char *word)
{
    return i < s->n_words && strcasecmp(s->words[i], word) == 0;
}

static void note_other(struct sql_scan *s, unsigned i)
{
    if (i >= s->n_words || strcmp(s->words[i], s->database) == 0 || s->other_line)
        return;
    s->other_line = s->statement_line;
    snprintf(s->other, sizeof s->other, "%s", s->words[i]);
}

/* CREATE OR REPLACE DATABASE IF NOT EXISTS x: where x stands. */
static unsigned name_place(const struct sql_scan *s, unsigned i)
{
    if (is(s, i, "IF"))
        i += is(s, i + 1, "NOT") ? 3 : 2;
    return i;
}

static void statement_ends(struct sql_scan *s)
{
    if (s->n_words == 0)
        return;
    s->statements++;
    unsigned i = is(s, 0, "CREATE") && is(s, 1, "OR") && is(s, 2, "REPLACE") ? 3 : 1;
    bool define = is(s, 0, "CREATE") || is(s, 0, "DROP") || is(s, 0, "ALTER");
    if (is(s, 0, "USE"))
        note_other(s, 1);
    else if (define && (is(s, i, "DATABASE") || is(s, i, "SCHEMA")))
        note_other(s, name_place(s, i + 1));
    else if (is(s, 0, "CREATE") && is(s, i, "TABLE"))
        s->tables++;
    if (!s->account_line && (is(s, 0, "GRANT") || is(s, 0, "REVOKE") ||
                                (define && (is(s, i, "USER") || is(s, i, "ROLE")))))
        s->account_line = s->statement_line;
    s->n_words = 0;
}

static void word_ends(struct sql_scan *s)
{
    if (s->word_len == 0)
        return;
    s->word[s->word_len] = 0;
    s->word_len = 0;
    if (s->n_words == 0)
        s->statement_line = s->lines;
    if (s->n_words < SQL_SCAN_WORDS)
        memcpy(s->words[s->n_words++], s->word, sizeof s->word);
}

static void word_grows(struct sql_scan *s, char c)
{
    if (s->word_len < SQL_SCAN_NAME_MAX - 1)
        s->word[s->word_len++] = c;
}

static void note_command(struct sql_scan *s, const char *what)
{
    if (s->command_line)
        return;
    s->command_line = s->lines;
    snprintf(s->command, sizeof s->command, "%s", what);
}

/* A line that begins a statement with a word which the client takes for itself. */
static bool client_word(struct sql_scan *s)
{
    static const char *const words[] = {
        "system", "source", "tee", "notee", "pager", "nopager", "edit", "connect", "quit", "exit"};
    s->word[s->word_len] = 0;
    if (s->n_words > 0)
        return false;
    if (strcasecmp(s->word, "delimiter") == 0) {
        s->word_len = 0;
        s->delimiter_at = 0;
        memset(s->delimiter, 0, sizeof s->delimiter);
        s->state = DELIMITER_LINE;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(s->word, words[i]) == 0) {
            note_command(s, words[i]);
            s->word_len = 0;
            s->state = COMMAND_LINE;
            return true;
        }
    return false;
}

static void plain(struct sql_scan *s, char c)
{
    if (s->version_number && isdigit((unsigned char)c)) { /* of "/" "*" "!40101": no word */
        s->version = s->version * 10 + (uint32_t)(c - '0');
        if (s->version >= NEVER) { /* how the sandbox is switched on: a comment to every server */
            s->version_number = false;
            s->state = BLOCK_COMMENT;
        }
        return;
    }
    s->version_number = false;
    if (s->prev == '\\' && s->n_words == 0)
        note_command(s, "\\");
    bool word = isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
    if (!word && s->word_len > 0 && client_word(s)) {
        if (c == '\n')
            s->state = PLAIN;
        return;
    }
    if (c == s->delimiter[s->delimiter_at] && c) {
        if (s->delimiter[++s->delimiter_at] == 0) {
            word_ends(s);
            statement_ends(s);
            s->delimiter_at = 0;
            return;
        }
    } else
        s->delimiter_at = c == s->delimiter[0] ? 1 : 0;
    if (word) {
        word_grows(s, c);
        return;
    }
    word_ends(s);
    if (c == '\'')
        s->state = STRING;
    else if (c == '"')
        s->state = DOUBLE_STRING;
    else if (c == '`')
        s->state = NAME;
    else if (c == '#') {
        s->state = LINE_COMMENT;
        s->tail_len = sizeof s->tail; /* the mark begins with two dashes */
    } else if ((c == ' ' || c == '\t' || c == '\n' || c == '\r') && s->prev == '-' && s->escaped) {
        s->state = c == '\n' ? PLAIN : LINE_COMMENT;
        memcpy(s->tail, "-- ", 3);
        s->tail_len = 3;
    } else if (c == '*' && s->prev == '/')
        s->state = BLOCK_COMMENT;
    s->escaped = c == '-' && s->prev == '-';
}

/* "/" "*" "!" and "/" "*" "M!" are code to the server, so back out of what looked like a comment.
 */
static void block_comment(struct sql_scan *s, char c)
{
    if ((c == '!' && s->prev == '*') || (c == '!' && s->prev == 'M' && s->word_len == 0)) {
        s->version_number = true;
        s->version = 0;
        s->state = PLAIN;
        s->word_len = 0;
    } else if (c == '/' && s->prev == '*')
        s->state = PLAIN;
}

static void quoted(struct sql_scan *s, char c, char end)
{
    if (s->escaped)
        s->escaped = false;
    else if (c == '\\' && end != '`')
        s->escaped = true;
    else if (c == end) {
        s->state = PLAIN;
        if (end == '`')
            word_ends(s);
    } else if (end == '`')
        word_grows(s, c);
}

static void look_for_collation(struct sql_scan *s, char c)
{
    if (tolower((unsigned char)c) == collation[s->collation_at])
        s->collation_at++;
    else
        s->collation_at = tolower((unsigned char)c) == collation[0];
    if (collation[s->collation_at] == 0) {
        if (!s->collation_line)
            s->collation_line = s->lines;
        s->collation_at = 0;
    }
}

static void line_comment(struct sql_scan *s, char c)
{
    if (c == '\n') {
        s->state = PLAIN;
        return;
    }
    if (s->tail_len < sizeof s->tail)
        s->tail[s->tail_len++] = c;
    if (s->tail_len == sizeof mark - 1 && memcmp(s->tail, mark, sizeof mark - 1) == 0)
        s->complete = true;
}

static void rest_of_line(struct sql_scan *s, char c)
{
    if (c == '\n') {
        s->state = PLAIN;
        if (s->delimiter[0] == 0)
            memcpy(s->delimiter, ";", 2);
    } else if (s->state == DELIMITER_LINE && !isspace((unsigned char)c) && s->delimiter_at < 8)
        s->delimiter[s->delimiter_at++] = c;
    if (s->state == PLAIN)
        s->delimiter_at = 0;
}

static void step(struct sql_scan *s, char c)
{
    if (c == 0 && !s->nul_line)
        s->nul_line = s->lines;
    switch (s->state) {
    case STRING:
        quoted(s, c, '\'');
        break;
    case DOUBLE_STRING:
        quoted(s, c, '"');
        break;
    case NAME:
        quoted(s, c, '`');
        break;
    case LINE_COMMENT:
        line_comment(s, c);
        break;
    case BLOCK_COMMENT:
        block_comment(s, c);
        break;
    case DELIMITER_LINE:
    case COMMAND_LINE:
        rest_of_line(s, c);
        break;
    default:
        /* Anything after the mark but white space: it was not the end. */
        if (s->complete && !isspace((unsigned char)c) && c != '-')
            s->complete = false;
        look_for_collation(s, c);
        plain(s, c);
    }
    s->prev = (uint8_t)c;
    s->lines += c == '\n';
}

void sql_scan_feed(struct sql_scan *s, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        step(s, data[i]);
}

void sql_scan_finish(struct sql_scan *s)
{
    if (s->state == LINE_COMMENT)
        step(s, '\n'); /* no newline at the end of the file */
    s->open = s->state != PLAIN;
    word_ends(s);
    statement_ends(s);
}
