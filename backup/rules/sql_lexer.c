#include "backup/rules/sql_lexer.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "backup/rules/sql_lexer_internal.h"
#include "common/error.h"

/* Further than any token that is looked at as a whole: a delimiter, "/" "*" "M!123456". */
#define AHEAD 24

static const char bom[] = "\xEF\xBB\xBF";
static const char command[] = "delimiter";

struct sql_lexer *sql_lexer_new(bool keep, size_t max)
{
    struct sql_lexer *l = xcalloc(1, sizeof *l);
    l->keep = keep;
    l->max = max;
    l->line = 1;
    l->line_start = true;
    l->client.empty = true;
    memcpy(l->delimiter, ";", 2);
    l->delimiter_len = 1;
    return l;
}

void sql_lexer_free(struct sql_lexer *l)
{
    if (!l)
        return;
    sql_modes_clear(l);
    free(l->window);
    free(l->text);
    free(l);
}

void sql_lexer_start_modes(struct sql_lexer *l, unsigned modes)
{
    l->modes = modes;
}

enum sql_refusal sql_lexer_refused(const struct sql_lexer *l)
{
    return l->refused;
}

uint64_t sql_lexer_line(const struct sql_lexer *l)
{
    return l->line;
}

unsigned sql_lexer_modes(const struct sql_lexer *l)
{
    return l->modes;
}

void sql_lexer_feed(struct sql_lexer *l, const void *data, size_t n)
{
    if (n == 0 || l->refused)
        return;
    if (l->at > 0) { /* what was read goes */
        memmove(l->window, l->window + l->at, l->have - l->at);
        l->have -= l->at;
        l->client.next -= l->client.next < l->at ? l->client.next : l->at;
        l->at = 0;
    }
    if (l->have + n > l->room) {
        l->room = l->have + n;
        l->window = xrealloc(l->window, l->room);
    }
    memcpy(l->window + l->have, data, n);
    l->have += n;
}

void sql_lexer_end(struct sql_lexer *l)
{
    l->ended = true;
}

/* --- what is kept of a statement --- */

#define BEGINNING 16384u /* of a statement whose text is not kept */

static void keep_bytes(struct sql_lexer *l, const char *data, size_t n)
{
    size_t limit = l->keep ? l->max : BEGINNING;
    if (l->len + n > limit) {
        if (l->keep)
            l->refused = SQL_LONG;
        return;
    }
    if (l->len + n > l->text_room) {
        l->text_room = (l->len + n) * 2;
        l->text = xrealloc(l->text, l->text_room);
    }
    memcpy(l->text + l->len, data, n);
    l->len += n;
}

static void token_begins(struct sql_lexer *l, enum sql_token_kind kind)
{
    if (!l->substance)
        l->statement_line = l->line;
    l->substance = true;
    l->in_token = l->n_tokens < SQL_TOKENS_MAX && (l->keep || l->len < BEGINNING / 2) &&
                  l->version != SKIPPED;
    if (l->in_token)
        l->tokens[l->n_tokens] = (struct sql_token){kind, l->len, 0};
}

/* After its last byte was kept. */
static void token_ends(struct sql_lexer *l)
{
    if (!l->in_token)
        return;
    l->tokens[l->n_tokens].len = l->len - l->tokens[l->n_tokens].at;
    l->n_tokens++;
    l->in_token = false;
}

/* --- the server's reading --- */

static char byte(const struct sql_lexer *l, size_t ahead)
{
    return l->at + ahead < l->have ? l->window[l->at + ahead] : '\0';
}

static void take_bytes(struct sql_lexer *l, size_t n)
{
    keep_bytes(l, l->window + l->at, n);
    l->at += n;
    l->after_break = n > 0 && l->window[l->at - 1] == '\n';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_control(char c)
{
    return ((unsigned char)c < 0x20 && !is_space(c)) || c == 0x7f;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static bool word_at(const struct sql_lexer *l, const char *word)
{
    size_t n = strlen(word);
    return l->at + n <= l->have && strncasecmp(l->window + l->at, word, n) == 0;
}

static bool delimiter_at(const struct sql_lexer *l)
{
    return l->at + l->delimiter_len <= l->have &&
           memcmp(l->window + l->at, l->delimiter, l->delimiter_len) == 0;
}

static void tell_sign(const struct sql_lexer *l)
{
    if (l->words)
        l->words(l->words_ctx, l->window + l->at, 1, true);
}

static void literal_begins(struct sql_lexer *l, char quote)
{
    tell_sign(l);
    bool name = quote == '`' || (quote == '"' && (l->modes & SQL_ANSI_QUOTES));
    token_begins(l, name ? SQL_NAME : SQL_STRING);
    l->quote = quote;
    l->state = LITERAL;
    take_bytes(l, 1);
}

/* A backslash counts in strings only, and only if the mode lets it. */
static bool escapes(const struct sql_lexer *l)
{
    return l->quote != '`' && !(l->quote == '"' && (l->modes & SQL_ANSI_QUOTES)) &&
           !(l->modes & SQL_NO_BACKSLASH_ESCAPES);
}

static void read_literal(struct sql_lexer *l)
{
    char c = byte(l, 0);
    if (c == '\0' || (c == '\\' && byte(l, 1) == '\0' && l->at + 1 < l->have)) {
        l->refused = SQL_NUL;
        return;
    }
    if (l->version == SKIPPED &&
        ((c == '*' && byte(l, 1) == '/') || (c == '/' && byte(l, 1) == '*')))
        l->refused = SQL_COMMENT;
    if (c == '\\' && escapes(l) && l->at + 1 < l->have) {
        l->line += byte(l, 1) == '\n';
        l->line_start = byte(l, 1) == '\n';
        take_bytes(l, 2);
        return;
    }
    bool end = c == l->quote && byte(l, 1) != l->quote;
    if (c == l->quote && !end) {
        take_bytes(l, 2);
        return;
    }
    l->line += c == '\n';
    take_bytes(l, 1);
    if (end) {
        token_ends(l);
        l->state = l->version == SKIPPED ? SKIP : CODE;
    }
}

/* "/" "*" "!50003": what servers of today all execute is code. Of newer ones, what is in them could
 * be code to one server and a comment to another: both readings must come to the same end. */
static void version_comment_begins(struct sql_lexer *l, size_t marker)
{
    size_t digits = 0;
    unsigned version = 0;
    while (digits < 6 && isdigit((unsigned char)byte(l, marker + digits)))
        version = version * 10 + (unsigned)(byte(l, marker + digits++) - '0');
    if (l->version != NONE)
        l->refused = SQL_COMMENT;
    l->line_start = false;
    l->version = digits >= 5 && version >= 50700 ? SKIPPED : EXECUTED;
    l->state = l->version == SKIPPED ? SKIP : CODE;
    take_bytes(l, marker + (digits >= 5 ? digits : 0));
}

static bool comment_begins(struct sql_lexer *l)
{
    char a = byte(l, 0), b = byte(l, 1), c = byte(l, 2);
    if (a == '#' || (a == '-' && b == '-' && (is_space(c) || (l->at + 2 == l->have && l->ended)))) {
        if (l->version == SKIPPED)
            l->refused = SQL_COMMENT;
        l->state = LINE;
        return true;
    }
    if (a == '-' && b == '-') {
        if (is_control(c))
            l->refused = SQL_CONTROL;
        else if ((unsigned char)c >= 0x80 || l->client.empty)
            l->refused = SQL_DASHES; /* white space in some character set; a comment at the start */
    }
    if (a != '/' || b != '*')
        return false;
    if (c == '!' || (c == 'M' && byte(l, 3) == '!')) {
        version_comment_begins(l, c == '!' ? 3 : 4);
        return true;
    }
    if (l->version == SKIPPED)
        l->refused = SQL_COMMENT;
    l->state = BLOCK;
    take_bytes(l, 2);
    return true;
}

/* The client looks for commands where a line begins and nothing is pending. */
static bool command_begins(struct sql_lexer *l)
{
    static const char *const words[] = {"charset", "clear", "connect", "costs", "edit", "ego",
        "exit", "go", "help", "nopager", "notee", "nowarning", "pager", "print", "prompt", "quit",
        "rehash", "sandbox", "source", "status", "system", "tee", "warnings"};
    if (l->substance)
        return false;
    if (word_at(l, command)) {
        l->state = DELIMITER;
        l->command_at_start = l->line_start && l->version == NONE && l->client.empty;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (word_at(l, words[i]) && !is_word(byte(l, strlen(words[i]))))
            l->refused = SQL_COMMAND;
    return false;
}

static void read_word(struct sql_lexer *l)
{
    size_t n = 1;
    while (l->at + n < l->have && is_word(byte(l, n)) && n < AHEAD / 2)
        n++;
    /* The client would see a delimiter in the middle of a word. */
    for (size_t i = 1; is_word(l->delimiter[0]) && i < n; i++)
        if (byte(l, i) == l->delimiter[0])
            n = i;
    if (!l->in_word)
        token_begins(l, SQL_WORD);
    if (l->version == SKIPPED && word_at(l, "sql_mode"))
        l->refused = SQL_COMMENT;
    if (l->after_break && word_at(l, command))
        l->refused = SQL_DELIMITER; /* the client joins this line with the next */
    bool told = l->words && l->version != SKIPPED;
    if (told)
        l->words(l->words_ctx, l->window + l->at, n, false);
    take_bytes(l, n);
    l->in_word = is_word(byte(l, 0)) && !delimiter_at(l);
    if (l->in_word)
        return;
    if (told)
        l->words(l->words_ctx, NULL, 0, false);
    token_ends(l);
}

static void read_sign(struct sql_lexer *l)
{
    char c = byte(l, 0);
    if (c == '*' && byte(l, 1) == '/' && l->version != NONE) {
        tell_sign(l);
        l->version = NONE;
        l->state = CODE;
        take_bytes(l, 2);
        return;
    }
    if (c == '\\' && byte(l, 1) != 'N' && l->version != SKIPPED)
        l->refused = SQL_BACKSLASH;
    if (c == '[' && (l->modes & SQL_MSSQL))
        l->refused = SQL_MODE;
    tell_sign(l);
    token_begins(l, SQL_SIGN);
    take_bytes(l, 1);
    token_ends(l);
}

static void read_code(struct sql_lexer *l)
{
    char c = byte(l, 0);
    if (is_space(c)) {
        l->line += c == '\n';
        if (c == '\n')
            l->line_start = true;
        take_bytes(l, 1);
        return;
    }
    if (is_control(c)) {
        l->refused = c ? SQL_CONTROL : SQL_NUL;
        return;
    }
    if (delimiter_at(l)) {
        tell_sign(l);
        l->split = true;
        l->line_start = false;
        return;
    }
    if (!l->in_word && (comment_begins(l) || command_begins(l)))
        return;
    l->line_start = false;
    if (c == '\'' || c == '"' || c == '`')
        literal_begins(l, c);
    else if (is_word(c))
        read_word(l);
    else
        read_sign(l);
}

static void read_comment(struct sql_lexer *l)
{
    char c = byte(l, 0);
    if (is_control(c))
        l->refused = c ? SQL_CONTROL : SQL_NUL;
    bool block = l->state == BLOCK;
    bool end = block ? c == '*' && byte(l, 1) == '/' : c == '\n';
    l->line += c == '\n';
    l->line_start = c == '\n';
    take_bytes(l, block && end ? 2 : 1);
    if (end)
        l->state = l->version == SKIPPED ? SKIP : CODE;
}

/* DELIMITER word, a line of its own. */
static bool read_delimiter(struct sql_lexer *l)
{
    const char *end = memchr(l->window + l->at, '\n', l->have - l->at);
    size_t n = end ? (size_t)(end - (l->window + l->at)) : l->have - l->at;
    if (!end && !l->ended && n < 4096)
        return false;
    const char *p = l->window + l->at + 9, *stop = l->window + l->at + n;
    bool good = l->command_at_start && p < stop && (*p == ' ' || *p == '\t');
    while (p < stop && is_space(*p))
        p++;
    size_t len = 0;
    while (p + len < stop && !is_space(p[len])) {
        unsigned char c = (unsigned char)p[len++];
        good = good && c > 0x20 && c < 0x7f && !strchr("'\"`\\#-*", c);
    }
    good = good && strncasecmp(p, command, len < strlen(command) ? len : strlen(command)) != 0;
    for (const char *q = p + len; q < stop; q++)
        good = good && is_space(*q);
    if (!good || len == 0 || len > SQL_DELIMITER_MAX) {
        l->refused = SQL_DELIMITER;
        return true;
    }
    memcpy(l->delimiter, p, len);
    l->delimiter[len] = '\0';
    l->delimiter_len = len;
    l->at += n;
    l->len = 0;
    l->state = CODE;
    l->client.next = l->at; /* a command to it as well */
    return true;
}

/* --- both --- */

/* One step of the server's reading, then the client's up to the same place. */
static void step(struct sql_lexer *l)
{
    size_t from = l->at;
    bool code = (l->state == CODE || l->state == SKIP) && !is_space(byte(l, 0));
    l->split = false;
    switch (l->state) {
    case LITERAL:
        read_literal(l);
        break;
    case LINE:
    case BLOCK:
        read_comment(l);
        break;
    default:
        read_code(l);
    }
    if (l->refused || l->state == DELIMITER)
        return;
    size_t to = l->split ? l->at + 1 : l->at;
    size_t place = sql_client_reads(l, to);
    if (l->split ? place != from || l->version != NONE : place != SQL_NO_PLACE)
        l->refused = SQL_SPLIT;
    else if (code && l->state != BLOCK && l->state != LINE && l->version == NONE &&
             (l->client.comment || l->client.line))
        l->refused = SQL_COMMENT; /* it would not send this */
}

static bool statement_ends(struct sql_lexer *l, struct sql_statement *out)
{
    token_ends(l);
    l->in_word = false;
    *out = (struct sql_statement){.text = l->text,
        .len = l->len,
        .line = l->statement_line,
        .tokens = l->tokens,
        .n_tokens = l->n_tokens};
    bool given = l->substance;
    if (given)
        sql_modes_follow(l, out);
    l->given = true;
    return given && !l->refused;
}

static void forget(struct sql_lexer *l)
{
    l->len = l->n_tokens = 0;
    l->substance = l->in_token = l->given = false;
}

static int finish(struct sql_lexer *l, struct sql_statement *out)
{
    if (l->state == LITERAL || l->state == BLOCK || l->version != NONE)
        l->refused = SQL_OPEN;
    else if (l->substance && (l->client.comment || l->client.string))
        l->refused = SQL_SPLIT; /* it would send nothing of it */
    if (l->refused)
        return -1;
    return l->substance && statement_ends(l, out) ? 1 : l->refused ? -1 : 0;
}

int sql_lexer_next(struct sql_lexer *l, struct sql_statement *out)
{
    if (l->given)
        forget(l);
    if (!l->begun && (l->have >= sizeof bom - 1 || l->ended)) {
        l->begun = true;
        if (l->have >= sizeof bom - 1 && memcmp(l->window, bom, sizeof bom - 1) == 0)
            l->at = l->client.next = sizeof bom - 1;
    }
    while (!l->refused && l->at < l->have && (l->ended || l->at + AHEAD <= l->have)) {
        if (l->state == DELIMITER) {
            if (!read_delimiter(l))
                return 0;
            continue;
        }
        step(l);
        if (!l->split || l->refused)
            continue;
        l->at += l->delimiter_len;
        if (statement_ends(l, out))
            return 1;
        forget(l);
    }
    if (l->refused)
        return -1;
    return l->ended && l->at == l->have && l->state != DELIMITER ? finish(l, out) : 0;
}
