#include "proxy/wire/calls.h"

#include <stdlib.h>
#include <string.h>

enum state {
    BETWEEN, /* tokens */
    WORD,
    NAMED,     /* behind a word: a parenthesis makes it a call */
    LITERAL,   /* behind a quoted text or name: a parenthesis makes it a call as well */
    QUOTED,    /* inside quotes */
    BACKSLASH, /* and behind a backslash there */
    DASH,      /* - */
    DASHES,    /* -- */
    SLASH,     /* / */
    OPENED,    /* slash-star */
    OPENED_M,  /* slash-star-M */
    LINE,      /* comment to the end of the line */
    COMMENT,
    COMMENT_STAR,
};

/* What stands in front of a parenthesis and writes nothing: keywords, types and the functions that
 * the server brings along (sql/lex.h and item_create.cc of MariaDB, and MySQL's). In order. */
static const char *const harmless[] = {"ABS", "ACOS", "ADDDATE", "ADDTIME", "AES_DECRYPT",
    "AES_ENCRYPT", "ALL", "AND", "ANY", "ANY_VALUE", "AS", "ASCII", "ASIN", "ATAN", "ATAN2", "AVG",
    "BETWEEN", "BIN", "BINARY", "BIT_AND", "BIT_COUNT", "BIT_LENGTH", "BIT_OR", "BIT_XOR", "BY",
    "CASE", "CAST", "CEIL", "CEILING", "CHAR", "CHARACTER_LENGTH", "CHAR_LENGTH", "CHR", "COALESCE",
    "COERCIBILITY", "COLLATION", "CONCAT", "CONCAT_WS", "CONNECTION_ID", "CONV", "CONVERT",
    "CONVERT_TZ", "COS", "COT", "COUNT", "CRC32", "CUME_DIST", "CURDATE", "CURRENT_DATE",
    "CURRENT_ROLE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "CURRENT_USER", "CURTIME", "DATABASE",
    "DATE", "DATEDIFF", "DATETIME", "DATE_ADD", "DATE_FORMAT", "DATE_SUB", "DAY", "DAYNAME",
    "DAYOFMONTH", "DAYOFWEEK", "DAYOFYEAR", "DECIMAL", "DECODE", "DEFAULT", "DEGREES", "DENSE_RANK",
    "DISTINCT", "DIV", "DOUBLE", "ELSE", "ELT", "ENCODE", "EXCEPT", "EXISTS", "EXP", "EXPLAIN",
    "EXTRACT", "EXTRACTVALUE", "FIELD", "FIND_IN_SET", "FIRST_VALUE", "FLOAT", "FLOOR", "FORCE",
    "FORMAT", "FOUND_ROWS", "FROM", "FROM_BASE64", "FROM_DAYS", "FROM_UNIXTIME", "GET_FORMAT",
    "GREATEST", "GROUPING", "GROUP_CONCAT", "HAVING", "HEX", "HOUR", "IF", "IFNULL", "IGNORE", "IN",
    "INDEX", "INET6_ATON", "INET6_NTOA", "INET_ATON", "INET_NTOA", "INSERT", "INSTR", "INTERSECT",
    "INTERVAL", "INTO", "IS", "ISNULL", "IS_IPV4", "IS_IPV6", "JOIN", "JSON_ARRAY", "JSON_ARRAYAGG",
    "JSON_CONTAINS", "JSON_EXTRACT", "JSON_KEYS", "JSON_LENGTH", "JSON_OBJECT", "JSON_OBJECTAGG",
    "JSON_QUERY", "JSON_SEARCH", "JSON_TABLE", "JSON_TYPE", "JSON_UNQUOTE", "JSON_VALID",
    "JSON_VALUE", "KEY", "LAG", "LAST_DAY", "LAST_INSERT_ID", "LAST_VALUE", "LCASE", "LEAD",
    "LEAST", "LEFT", "LENGTH", "LIKE", "LIMIT", "LN", "LOAD_FILE", "LOCALTIME", "LOCALTIMESTAMP",
    "LOCATE", "LOG", "LOG10", "LOG2", "LOWER", "LPAD", "LTRIM", "MAKEDATE", "MAKETIME", "MATCH",
    "MAX", "MD5", "MEDIAN", "MICROSECOND", "MID", "MIN", "MINUTE", "MOD", "MONTH", "MONTHNAME",
    "NOT", "NOW", "NTH_VALUE", "NTILE", "NULLIF", "NVL", "NVL2", "OCT", "OCTET_LENGTH", "ON", "OR",
    "ORD", "OVER", "PARTITION", "PASSWORD", "PERCENTILE_CONT", "PERCENTILE_DISC", "PERCENT_RANK",
    "PERIOD_ADD", "PERIOD_DIFF", "PI", "POSITION", "POW", "POWER", "QUARTER", "QUOTE", "RADIANS",
    "RAND", "RANK", "REGEXP", "REGEXP_INSTR", "REGEXP_REPLACE", "REGEXP_SUBSTR", "REPEAT",
    "REPLACE", "REVERSE", "RIGHT", "RLIKE", "ROLLUP", "ROUND", "ROW", "ROW_COUNT", "ROW_NUMBER",
    "RPAD", "RTRIM", "SCHEMA", "SECOND", "SEC_TO_TIME", "SELECT", "SESSION_USER", "SHA", "SHA1",
    "SHA2", "SIGN", "SIN", "SLEEP", "SOME", "SOUNDEX", "SPACE", "SQRT", "STD", "STDDEV",
    "STDDEV_POP", "STDDEV_SAMP", "STRCMP", "STR_TO_DATE", "SUBDATE", "SUBSTR", "SUBSTRING",
    "SUBSTRING_INDEX", "SUBTIME", "SUM", "SYSDATE", "SYSTEM_USER", "TAN", "THEN", "TIME",
    "TIMEDIFF", "TIMESTAMP", "TIMESTAMPADD", "TIMESTAMPDIFF", "TIME_FORMAT", "TIME_TO_SEC",
    "TO_BASE64", "TO_CHAR", "TO_DAYS", "TO_SECONDS", "TRIM", "TRUNCATE", "UCASE", "UNHEX", "UNION",
    "UNIX_TIMESTAMP", "UPPER", "USE", "USER", "USING", "UTC_DATE", "UTC_TIME", "UTC_TIMESTAMP",
    "UUID", "UUID_SHORT", "VALUE", "VALUES", "VARCHAR", "VARIANCE", "VAR_POP", "VAR_SAMP",
    "VERSION", "WEEK", "WEEKDAY", "WEEKOFYEAR", "WEIGHT_STRING", "WHEN", "WHERE", "WITHIN", "XOR",
    "YEAR", "YEARWEEK"};

void calls_start(struct calls *c)
{
    *c = (struct calls){.state = BETWEEN};
}

static int compare(const void *word, const void *entry)
{
    return strcmp(word, *(const char *const *)entry);
}

static bool is_harmless(const struct calls *c)
{
    char word[CALLS_WORD_MAX + 1];
    memcpy(word, c->word, c->len);
    word[c->len] = '\0';
    return !c->dotted && bsearch(word, harmless, sizeof harmless / sizeof harmless[0],
                             sizeof harmless[0], compare);
}

static bool is_word(uint8_t b)
{
    uint8_t lower = b | 0x20;
    return (lower >= 'a' && lower <= 'z') || (b >= '0' && b <= '9') || b == '_' || b == '$' ||
           b == '@' || b >= 0x80;
}

static void word_byte(struct calls *c, uint8_t b)
{
    if (c->len < CALLS_WORD_MAX)
        c->word[c->len++] = (char)(b >= 'a' && b <= 'z' ? b - ('a' - 'A') : b);
}

static bool word_is(const struct calls *c, const char *word)
{
    return c->len == strlen(word) && memcmp(c->word, word, c->len) == 0;
}

/* A byte that begins a token, or stands for itself. after: NAMED or LITERAL if the token before was
 * a name or quoted, and only white space and comments have come since. */
static void token(struct calls *c, uint8_t b)
{
    uint8_t after = c->state;
    if (b == ' ' || (b >= '\t' && b <= '\r'))
        return;
    if (is_word(b)) {
        c->next = after == NAMED && word_is(c, "NEXT");
        c->len = 0;
        c->state = WORD;
        word_byte(c, b);
        return;
    }
    if (b == '(' && ((after == NAMED && !is_harmless(c)) || after == LITERAL))
        c->found = true;
    c->dotted = b == '.';
    c->state = BETWEEN;
    if (b == '\'' || b == '"' || b == '`') {
        c->quote = b;
        c->state = QUOTED;
    }
}

static void word_over(struct calls *c)
{
    c->state = NAMED;
    if (c->next && (word_is(c, "VALUE") || word_is(c, "VALUES")))
        c->found = true;
}

static void quoted(struct calls *c, uint8_t b)
{
    if (c->state == BACKSLASH) {
        if (b == c->quote) /* escaped or, under NO_BACKSLASH_ESCAPES, the end */
            c->found = true;
        c->state = QUOTED;
    } else if (b == '\\' && c->quote != '`') {
        c->state = BACKSLASH;
    } else if (b == c->quote) { /* a doubled one ends one text and begins the next: right as well */
        c->state = LITERAL;
        c->dotted = false;
    }
}

/* What looked like a comment was an operator; then b. */
static void operator_then(struct calls *c, uint8_t b)
{
    c->state = BETWEEN;
    c->dotted = false;
    token(c, b);
}

/* A comment does not part a name from its parenthesis. */
static void comment(struct calls *c, uint8_t b)
{
    switch (c->state) {
    case DASH:
    case DASHES:
        if (b == '-' && c->state == DASH)
            c->state = DASHES;
        else if (c->state == DASHES && (b <= ' ' || b == 0x7f))
            c->state = b == '\n' ? c->before : LINE;
        else
            operator_then(c, b);
        return;
    case SLASH:
        if (b == '*')
            c->state = OPENED;
        else
            operator_then(c, b);
        return;
    case LINE:
        if (b == '\n')
            c->state = c->before;
        return;
    case OPENED:
    case OPENED_M:
        if (b == '!')
            c->found = true;
        else if (b == 'M' && c->state == OPENED)
            c->state = OPENED_M;
        else
            c->state = b == '*' ? COMMENT_STAR : COMMENT;
        return;
    case COMMENT:
        if (b == '*')
            c->state = COMMENT_STAR;
        return;
    default: /* COMMENT_STAR */
        if (b != '*')
            c->state = b == '/' ? c->before : COMMENT;
    }
}

static void step(struct calls *c, uint8_t b)
{
    switch (c->state) {
    case WORD:
        if (is_word(b)) {
            word_byte(c, b);
            return;
        }
        word_over(c);
        break;
    case QUOTED:
    case BACKSLASH:
        quoted(c, b);
        return;
    case BETWEEN:
    case NAMED:
    case LITERAL:
        break;
    default:
        comment(c, b);
        return;
    }
    if (b == '-' || b == '/' || b == '#') {
        c->before = c->state;
        c->state = b == '-' ? DASH : b == '/' ? SLASH : LINE;
    } else {
        token(c, b);
    }
}

bool calls_feed(struct calls *c, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n && !c->found; i++)
        step(c, p[i]);
    return c->found;
}
