/* A small lexer that stops at the first word that decides. One byte, one step: what arrives in
 * which pieces cannot matter. */
#include "proxy/wire/keyword.h"

#include <string.h>

enum state { /* where in the text */
    SPACE,   /* between tokens */
    WORD,
    DASH,     /* - */
    DASHES,   /* -- : a comment only if white space follows */
    LINE,     /* comment to the end of the line */
    SLASH,    /* / */
    OPENED,   /* slash-star */
    OPENED_M, /* slash-star-M : perhaps MariaDB's version comment */
    COMMENT,
    COMMENT_STAR, /* a star inside: perhaps its end */
    VERSION,      /* the digits of a version comment */
    CODE_STAR,    /* a star inside a version comment's code: its end, or no statement */
    QUOTED,       /* in SET STATEMENT: a string or a quoted name */
    ESCAPED,      /* a backslash in it */
    DECIDED_READ,
    DECIDED_WRITE,
    DECIDED_END,
    DECIDED_EXPLAIN,
};

enum phase { /* which word is looked for */
    FIRST,
    AFTER_BEGIN,
    AFTER_START,
    AFTER_EXPLAIN,
    AFTER_SET,
    AWAIT_FOR, /* SET STATEMENT ... FOR */
};

enum code { NO_CODE, SURE_CODE, UNSURE_CODE };

/* What a first word means: a decision, or the phase that looks for the second word. The frequent
 * ones stand in front. */
static const struct {
    char word[12];
    uint8_t len, decision, phase;
} words[] = {
    {"SELECT", 6, .decision = DECIDED_READ},
    {"SET", 3, .phase = AFTER_SET},
    {"COMMIT", 6, .decision = DECIDED_END},
    {"ROLLBACK", 8, .decision = DECIDED_END},
    {"SHOW", 4, .decision = DECIDED_READ},
    {"BEGIN", 5, .phase = AFTER_BEGIN},
    {"START", 5, .phase = AFTER_START},
    {"USE", 3, .decision = DECIDED_READ},
    {"WITH", 4, .decision = DECIDED_READ},
    {"VALUES", 6, .decision = DECIDED_READ},
    {"TABLE", 5, .decision = DECIDED_READ},
    {"DESC", 4, .phase = AFTER_EXPLAIN},
    {"DESCRIBE", 8, .phase = AFTER_EXPLAIN},
    {"EXPLAIN", 7, .phase = AFTER_EXPLAIN},
    {"SAVEPOINT", 9, .decision = DECIDED_READ},
    {"RELEASE", 7, .decision = DECIDED_READ},
    {"KILL", 4, .decision = DECIDED_READ},
    {"DO", 2, .decision = DECIDED_READ},
    {"HELP", 4, .decision = DECIDED_READ},
    {"CHECKSUM", 8, .decision = DECIDED_READ},
    {"UNLOCK", 6, .decision = DECIDED_END},
};

/* Second words of SET that change the server. */
static const char *const set_writes[] = {
    "PASSWORD",
    "DEFAULT",
    "GLOBAL",
    "@@GLOBAL",
    "PERSIST",
    "@@PERSIST",
    "PERSIST_ONLY",
    "@@PERSIST_ONLY",
};

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_word(const struct keyword *k, uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           c >= 0x80 || (c == '@' && k->phase == AFTER_SET);
}

static bool word_is(const struct keyword *k, const char *word)
{
    return k->len == strlen(word) && memcmp(k->word, word, k->len) == 0;
}

static void look_for(struct keyword *k, enum phase phase)
{
    k->phase = (uint8_t)phase;
    k->state = SPACE;
}

static void first_word(struct keyword *k)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (k->len != words[i].len || memcmp(k->word, words[i].word, k->len) != 0)
            continue;
        if (words[i].decision)
            k->state = words[i].decision;
        else
            look_for(k, words[i].phase);
        return;
    }
    k->state = DECIDED_WRITE;
}

static void word_after_set(struct keyword *k)
{
    if (word_is(k, "STATEMENT")) {
        look_for(k, AWAIT_FOR);
        return;
    }
    k->state = DECIDED_END;
    for (size_t i = 0; i < sizeof set_writes / sizeof set_writes[0]; i++)
        if (word_is(k, set_writes[i]))
            k->state = DECIDED_WRITE;
}

static void word_ended(struct keyword *k)
{
    /* One server runs what stands here and the next one skips it. */
    if (k->code == UNSURE_CODE) {
        k->state = DECIDED_WRITE;
        return;
    }
    switch (k->phase) {
    case FIRST:
        first_word(k);
        return;
    case AFTER_BEGIN:
        k->state = word_is(k, "WORK") ? DECIDED_END : DECIDED_WRITE;
        return;
    case AFTER_START:
        k->state = word_is(k, "TRANSACTION") ? DECIDED_END : DECIDED_WRITE;
        return;
    case AFTER_EXPLAIN:
        k->state = word_is(k, "ANALYZE") ? DECIDED_WRITE : DECIDED_EXPLAIN;
        return;
    case AFTER_SET:
        word_after_set(k);
        return;
    case AWAIT_FOR:
        look_for(k, word_is(k, "FOR") ? FIRST : AWAIT_FOR);
        return;
    }
}

/* A character that is neither space, comment nor word, between tokens. */
static void other_character(struct keyword *k, uint8_t c)
{
    switch (k->phase) {
    case FIRST:
        if (c != '(')
            k->state = DECIDED_WRITE;
        return;
    case AFTER_BEGIN:
        k->state = c == ';' ? DECIDED_END : DECIDED_WRITE;
        return;
    case AFTER_START:
        k->state = DECIDED_WRITE;
        return;
    case AFTER_EXPLAIN:
        k->state = DECIDED_EXPLAIN;
        return;
    case AFTER_SET:
        k->state = DECIDED_END;
        return;
    case AWAIT_FOR:
        if (c == '\'' || c == '"' || c == '`') {
            k->quote = c;
            k->state = QUOTED;
        } else if (c == ';') {
            k->state = DECIDED_WRITE;
        }
        return;
    }
}

static void word_character(struct keyword *k, uint8_t c)
{
    if (k->len < sizeof k->word) /* longer than any that is known: the rest does not matter */
        k->word[k->len++] = (char)(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
}

static void between(struct keyword *k, uint8_t c)
{
    k->state = SPACE;
    if (is_space(c))
        return;
    if (is_word(k, c)) {
        k->len = 0;
        k->state = WORD;
        word_character(k, c);
    } else if (c == '-') {
        k->state = DASH;
    } else if (c == '/') {
        k->state = SLASH;
    } else if (c == '#') {
        k->state = LINE;
    } else if (c == '*' && k->code != NO_CODE) {
        k->state = CODE_STAR;
    } else {
        other_character(k, c);
    }
}

/* What looked like the start of a comment was an operator; then c. */
static void no_comment(struct keyword *k, uint8_t operator, uint8_t c)
{
    k->state = SPACE;
    other_character(k, operator);
    if (k->state == SPACE)
        between(k, c);
}

static void version_ended(struct keyword *k, uint8_t c)
{
    k->state = SPACE;
    if (k->digits == 0 || k->version <= 50699 || (k->version >= 100000 && k->version <= 100600))
        k->code = SURE_CODE;
    else
        k->code = UNSURE_CODE;
    if (k->digits > 0 && k->digits < 5) /* no version: the code itself begins with digits */
        k->state = DECIDED_WRITE;
    else
        between(k, c);
}

static void comment_step(struct keyword *k, uint8_t c)
{
    switch (k->state) {
    case LINE:
        if (c == '\n')
            k->state = SPACE;
        return;
    case OPENED:
    case OPENED_M:
        k->digits = 0;
        k->version = 0;
        if (c == '!')
            k->state = VERSION;
        else if (c == 'M' && k->state == OPENED)
            k->state = OPENED_M;
        else
            k->state = c == '*' ? COMMENT_STAR : COMMENT;
        return;
    case COMMENT:
        if (c == '*')
            k->state = COMMENT_STAR;
        return;
    case COMMENT_STAR:
        if (c != '*')
            k->state = c == '/' ? SPACE : COMMENT;
        return;
    default: /* VERSION */
        if (c >= '0' && c <= '9' && k->digits < 6) {
            k->digits++;
            k->version = k->version * 10 + (uint32_t)(c - '0');
        } else {
            version_ended(k, c);
        }
    }
}

static void step(struct keyword *k, uint8_t c)
{
    switch (k->state) {
    case SPACE:
        between(k, c);
        return;
    case WORD:
        if (is_word(k, c)) {
            word_character(k, c);
            return;
        }
        word_ended(k);
        if (k->state == SPACE)
            between(k, c);
        return;
    case DASH:
        if (c == '-')
            k->state = DASHES;
        else
            no_comment(k, '-', c);
        return;
    case DASHES:
        if (c == '\n')
            k->state = SPACE;
        else if (c <= ' ' || c == 0x7f)
            k->state = LINE;
        else
            no_comment(k, '-', c);
        return;
    case SLASH:
        if (c == '*')
            k->state = OPENED;
        else
            no_comment(k, '/', c);
        return;
    case CODE_STAR:
        if (c == '/') {
            k->code = NO_CODE;
            k->state = SPACE;
        } else {
            no_comment(k, '*', c);
        }
        return;
    case QUOTED: /* a doubled quote ends one and begins the next: right as well */
        if (c == k->quote)
            k->state = SPACE;
        else if (c == '\\' && k->quote != '`')
            k->state = ESCAPED;
        return;
    case ESCAPED:
        k->state = QUOTED;
        return;
    default:
        comment_step(k, c);
    }
}

static enum keyword_kind decision(const struct keyword *k)
{
    switch (k->state) {
    case DECIDED_READ:
        return KEYWORD_READ;
    case DECIDED_WRITE:
        return KEYWORD_WRITE;
    case DECIDED_END:
        return KEYWORD_END;
    case DECIDED_EXPLAIN:
        return KEYWORD_EXPLAIN;
    default:
        return KEYWORD_UNDECIDED;
    }
}

void keyword_start(struct keyword *k)
{
    k->state = SPACE;
    k->phase = FIRST;
    k->code = NO_CODE;
    k->len = 0;
    k->seen = 0;
    k->at = 0;
}

/* Most statements: told without the lexer. */
static bool is_plain_select(const uint8_t *p, size_t n)
{
    static const char select[] = "select";
    if (n <= strlen(select) || p[strlen(select)] != ' ')
        return false;
    for (size_t i = 0; i < strlen(select); i++)
        if ((p[i] | 0x20) != select[i]) /* no other byte becomes one of these letters */
            return false;
    return true;
}

enum keyword_kind keyword_feed(struct keyword *k, const uint8_t *p, size_t n)
{
    k->at = 0;
    if (k->seen == 0 && k->state == SPACE && is_plain_select(p, n)) {
        k->state = DECIDED_READ;
        k->at = (uint16_t)strlen("select");
    }
    for (size_t i = 0; i < n && k->state < DECIDED_READ; i++) {
        k->at = (uint16_t)i; /* never past KEYWORD_SEARCH_MAX */
        step(k, p[i]);
        if (++k->seen > KEYWORD_SEARCH_MAX && k->state < DECIDED_READ)
            k->state = DECIDED_WRITE;
    }
    return decision(k);
}

enum keyword_kind keyword_finish(struct keyword *k)
{
    if (k->state == WORD)
        word_ended(k);
    if (k->state >= DECIDED_READ)
        return decision(k);

    bool whole = k->state == SPACE || k->state == LINE || k->state == DASHES;
    if (k->phase == AFTER_START || k->phase == AWAIT_FOR || !whole)
        k->state = DECIDED_WRITE;
    else
        k->state = k->phase == AFTER_BEGIN || k->phase == AFTER_SET ? DECIDED_END : DECIDED_READ;
    return decision(k);
}
