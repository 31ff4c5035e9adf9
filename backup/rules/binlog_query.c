#include "backup/rules/binlog_query.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "backup/rules/binlog_decimal.h"
#include "common/hex.h"
#include "common/sql_name.h"

#define POST_HEADER 13

enum status {
    STATUS_FLAGS = 0,
    STATUS_MODE = 1,
    STATUS_CATALOG = 2,
    STATUS_INCREMENT = 3,
    STATUS_CHARSET = 4,
    STATUS_ZONE = 5,
    STATUS_CATALOG_NZ = 6,
    STATUS_NAMES = 7,
    STATUS_DATABASE = 8,
    STATUS_UPDATED_TABLES = 9,
    STATUS_WRITTEN = 10,
    STATUS_INVOKER = 11,
    STATUS_MICROS = 128,
    STATUS_XID = 129,
    STATUS_GTID_FLAGS = 130,
    STATUS_COLLATIONS = 131,
};

/* Behind the code: how many bytes; -1 = unknown. Those with a length have it in their first byte.
 */
static int value_size(uint8_t code, const uint8_t *p, size_t left)
{
    int first = left ? p[0] : 0;
    switch (code) {
    case STATUS_FLAGS:
    case STATUS_INCREMENT:
    case STATUS_WRITTEN:
        return 4;
    case STATUS_MODE:
    case STATUS_UPDATED_TABLES:
    case STATUS_XID:
        return 8;
    case STATUS_CATALOG:
        return first + 2;
    case STATUS_CHARSET:
        return 6;
    case STATUS_ZONE:
    case STATUS_CATALOG_NZ:
        return first + 1;
    case STATUS_NAMES:
    case STATUS_DATABASE:
    case STATUS_GTID_FLAGS:
        return 2;
    case STATUS_COLLATIONS:
        return first <= BINLOG_COLLATIONS_MAX ? 1 + 4 * first : INT32_MAX;
    case STATUS_INVOKER:
        return left > (size_t)first + 1 ? first + 2 + p[first + 1] : INT32_MAX;
    case STATUS_MICROS:
        return 3;
    default:
        return -1;
    }
}

static void take_value(struct binlog_query *q, uint8_t code, const uint8_t *p)
{
    switch (code) {
    case STATUS_FLAGS:
        q->has_flags = true;
        q->flags = binlog_u32(p);
        break;
    case STATUS_MODE:
        q->has_mode = true;
        q->mode = binlog_u64(p);
        break;
    case STATUS_INCREMENT:
        q->increment = binlog_u16(p);
        q->offset = binlog_u16(p + 2);
        break;
    case STATUS_CHARSET:
        q->has_charset = true;
        q->client = binlog_u16(p);
        q->connection = binlog_u16(p + 2);
        q->server = binlog_u16(p + 4);
        break;
    case STATUS_ZONE:
        memcpy(q->zone, p + 1, p[0]);
        q->zone[p[0]] = '\0';
        break;
    case STATUS_COLLATIONS: /* pairs: of this character set that collation */
        q->n_collations = p[0];
        for (size_t i = 0; i < q->n_collations; i++)
            q->collations[i] = binlog_u16(p + 3 + 4 * i);
        break;
    case STATUS_INVOKER:
        memcpy(q->user, p + 1, p[0]);
        q->user[p[0]] = '\0';
        memcpy(q->host, p + 2 + p[0], p[p[0] + 1]);
        q->host[p[p[0] + 1]] = '\0';
        break;
    case STATUS_NAMES:
        q->names = binlog_u16(p);
        break;
    case STATUS_DATABASE:
        q->database_collation = binlog_u16(p);
        break;
    case STATUS_MICROS:
        q->micros = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
        break;
    default:
        break;
    }
}

int binlog_query_parse(const uint8_t *event, size_t n, struct binlog_query *out, struct err *e)
{
    struct binlog_query q = {.when = binlog_u32(event)};
    const uint8_t *p = event + BINLOG_HEADER_SIZE + POST_HEADER, *end = event + n;
    if (n < BINLOG_HEADER_SIZE + POST_HEADER)
        return err_set(e, EBADMSG, "a statement's event is too short");
    q.thread = binlog_u32(p - POST_HEADER);
    size_t schema = p[-5];
    q.error = binlog_u16(p - 4);
    q.thread_specific = binlog_u16(event + 17) & 4;
    const uint8_t *status = p + binlog_u16(p - 2);
    if (status > end || (size_t)(end - status) < schema + 1 || schema >= sizeof q.schema)
        return err_set(e, EBADMSG, "a statement's event is too short");
    while (p < status) {
        uint8_t code = *p++;
        int size = value_size(code, p, (size_t)(status - p));
        if (size < 0)
            return err_set(e, ENOTSUP,
                "a statement was logged with a setting (number %u) that this version of Elexgate does not know",
                code);
        if (size > status - p)
            return err_set(e, EBADMSG, "the settings of a statement are cut off");
        take_value(&q, code, p);
        p += size;
    }
    memcpy(q.schema, status, schema);
    q.text = (const char *)status + schema + 1;
    q.length = (size_t)(end - status) - schema - 1;
    *out = q;
    return 0;
}

/* The server's sql_priv.h, as MariaDB 10.5 to 11.8 write them (tried with each of them). */
static const struct {
    const char *name;
    unsigned bit;
    bool inverted;
} flags[] = {
    {"sql_auto_is_null", 14, false},
    {"check_constraint_checks", 15, true},
    {"explicit_defaults_for_timestamp", 24, false},
    {"foreign_key_checks", 26, true},
    {"unique_checks", 27, true},
    {"sql_if_exists", 28, false},
    {"system_versioning_insert_history", 30, false},
};

/* A client's character set goes by the number of its default collation in any version: those of
 * UCA 14 (MariaDB 10.10 and later; 2048 for utf8mb3, from 2304 on for utf8mb4) are none. */
static unsigned charset_of(uint16_t collation)
{
    return collation >= 2304 ? 45 : collation >= 2048 ? 33 : collation;
}

/* By their collations' numbers (information_schema.COLLATIONS of 10.11 and 11.8; with 1024 they do
 * not pad). What the second byte of a character may be is ` or \ in the first five. In swe7 they
 * are letters. The last three are none that a client can have. */
static const struct {
    uint16_t first, last;
    const char *name;
} ambiguous[] = {{1, 1, "big5"}, {84, 84, "big5"}, {13, 13, "sjis"}, {88, 88, "sjis"},
    {28, 28, "gbk"}, {87, 87, "gbk"}, {95, 96, "cp932"}, {248, 250, "gb18030"}, {10, 10, "swe7"},
    {82, 82, "swe7"}, {35, 35, "ucs2"}, {90, 90, "ucs2"}, {128, 159, "ucs2"}, {640, 671, "ucs2"},
    {54, 56, "utf16"}, {62, 62, "utf16"}, {101, 124, "utf16"}, {672, 703, "utf16"},
    {60, 61, "utf32"}, {160, 183, "utf32"}, {736, 767, "utf32"}};

/* NULL: bytes mean in it what they mean in UTF-8, as far as the server's grammar goes. */
static const char *ambiguous_charset(uint16_t collation)
{
    unsigned number = collation < 2048 ? collation & 1023u : 0;
    if (collation >= 2560) /* UCA 14: utf8mb3 from 2048 on, utf8mb4 from 2304 on */
        return "ucs2, utf16, utf32";
    for (size_t i = 0; i < sizeof ambiguous / sizeof ambiguous[0]; i++)
        if (number >= ambiguous[i].first && number <= ambiguous[i].last)
            return ambiguous[i].name;
    return NULL;
}

/* GRANT … TO CURRENT_USER and the like: run again that is another account. In what CREATE makes
 * (a trigger's text) it means whoever runs it, and stays. */
static bool means_its_own_account(const struct binlog_query *q)
{
    static const char *const firsts[] = {
        "GRANT", "REVOKE", "ALTER USER", "DROP USER", "SET PASSWORD", "SET DEFAULT"};
    static const char word[] = "CURRENT_USER";
    char kind[BINLOG_KIND_LEN];
    bool of_accounts = false;
    binlog_query_kind(q, kind);
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++)
        of_accounts |= strncmp(kind, firsts[i], strlen(firsts[i])) == 0;
    for (size_t i = 0; of_accounts && i + sizeof word - 1 <= q->length; i++)
        if (strncasecmp(q->text + i, word, sizeof word - 1) == 0)
            return true;
    return false;
}

int binlog_query_check(const struct binlog_query *q, struct err *e)
{
    if (means_its_own_account(q))
        return err_set(e, ENOTSUP,
            "a statement changes the account CURRENT_USER, which is another one when it is run again; restore to a moment before it, and let that program name the account");
    const char *name = q->has_charset ? ambiguous_charset(q->client) : NULL;
    bool clear = name && *name != 'u'; /* ASCII can be read in all but those with wide letters */
    bool swedish = name && strcmp(name, "swe7") == 0;
    for (size_t i = 0; clear && i < q->length; i++) {
        unsigned char c = (unsigned char)q->text[i];
        clear = c && c < 0x80 && !(swedish && strchr("@[\\]^`{|}~", c));
    }
    if (!name || clear)
        return 0;
    return err_set(e, ENOTSUP,
        "the client's character set %s: it is not certain what this statement's letters other than ASCII mean in it, so it is not run again; restore to a moment before it, and let that program use utf8mb4",
        name);
}

static char *append(char *text, char *more)
{
    char *both = xasprintf("%s, %s", text, more);
    free(text);
    free(more);
    return both;
}

char *binlog_query_settings(
    const struct binlog_query *q, char *(*quote)(void *ctx, const char *text), void *ctx)
{
    char *text = q->micros ? xasprintf("SET TIMESTAMP=%u.%06u", q->when, q->micros)
                           : xasprintf("SET TIMESTAMP=%u", q->when);
    text = append(text, xasprintf("pseudo_thread_id=%u", q->thread));
    for (size_t i = 0; q->has_flags && i < sizeof flags / sizeof flags[0]; i++)
        text = append(text, xasprintf("%s=%d", flags[i].name,
                                (q->flags >> flags[i].bit & 1) != (unsigned)flags[i].inverted));
    if (q->has_mode)
        text = append(text, xasprintf("sql_mode=%" PRIu64, q->mode));
    text = append(text, xasprintf("auto_increment_increment=%u, auto_increment_offset=%u",
                            q->increment ? q->increment : 1u, q->offset ? q->offset : 1u));
    if (q->has_charset)
        text = append(
            text, xasprintf("character_set_client=%u, collation_connection=%u, collation_server=%u",
                      charset_of(q->client), q->connection, q->server));
    text = append(text, xasprintf("lc_time_names=%u", q->names));
    if (q->database_collation)
        text = append(text, xasprintf("collation_database=%u", q->database_collation));
    else
        text = append(text, xstrdup("collation_database=DEFAULT"));
    _cleanup_free_ char *zone = quote(ctx, *q->zone ? q->zone : "SYSTEM");
    return append(text, xasprintf("time_zone=%s", zone));
}

enum binlog_bracket binlog_query_bracket(const struct binlog_query *q)
{
    static const char *const words[] = {
        [BINLOG_BEGIN] = "BEGIN", [BINLOG_COMMIT] = "COMMIT", [BINLOG_ROLLBACK] = "ROLLBACK"};
    for (int i = BINLOG_BEGIN; i <= BINLOG_ROLLBACK; i++)
        if (q->length == strlen(words[i]) && memcmp(q->text, words[i], q->length) == 0)
            return (enum binlog_bracket)i;
    return BINLOG_NO_BRACKET;
}

/* What may follow CREATE and the like and is no name. */
static bool is_kind(const char *word)
{
    static const char *const known[] = {"TABLE", "DATABASE", "SCHEMA", "VIEW", "INDEX", "USER",
        "ROLE", "TRIGGER", "EVENT", "PROCEDURE", "FUNCTION", "SEQUENCE", "TEMPORARY", "UNIQUE",
        "START", "END", "PREPARE", "COMMIT", "ROLLBACK", "INTO", "FROM", "PASSWORD", "DEFAULT",
        "OR"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(word, known[i]) == 0)
            return true;
    return false;
}

char *binlog_query_kind(const struct binlog_query *q, char out[static BINLOG_KIND_LEN])
{
    size_t i = 0, len = 0;
    out[0] = '\0';
    for (int word = 0; word < 2; word++) {
        char next[12];
        size_t n = 0;
        while (i < q->length && isspace((unsigned char)q->text[i]))
            i++;
        while (i < q->length && isalpha((unsigned char)q->text[i]) && n < sizeof next - 1)
            next[n++] = (char)toupper((unsigned char)q->text[i++]);
        next[n] = '\0';
        if (n == 0 || (word > 0 && !is_kind(next)))
            break;
        if (word > 0)
            out[len++] = ' ';
        memcpy(out + len, next, n + 1);
        len += n;
    }
    if (!*out)
        snprintf(out, BINLOG_KIND_LEN, "a statement");
    return out;
}

bool binlog_query_of_accounts(const struct binlog_query *q)
{
    static const char *const kinds[] = {"GRANT", "REVOKE", "CREATE USER", "ALTER USER", "DROP USER",
        "RENAME USER", "CREATE ROLE", "DROP ROLE", "SET PASSWORD", "SET DEFAULT"};
    char kind[BINLOG_KIND_LEN], what[8] = "";
    binlog_query_kind(q, kind);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    _cleanup_free_ char *head = xasprintf("%.*s", q->length < 100 ? (int)q->length : 100, q->text);
    return strcmp(kind, "CREATE OR") == 0 && sscanf(head, "%*s %*s %*s %7s", what) == 1 &&
           (strcasecmp(what, "USER") == 0 || strcasecmp(what, "ROLE") == 0);
}

/* sql/log_event.h, User_var_log_event: the name with its length in four bytes, whether it is NULL,
 * then the kind, the collation, the value with its length in four bytes and flags. Later servers
 * add to it. */
enum { USER_VAR_TEXT = 0, USER_VAR_REAL = 1, USER_VAR_INTEGER = 2, USER_VAR_DECIMAL = 4 };

/* Its digits, those behind the point, then as in a row; what no server makes is NULL. */
static char *decimal_value(const uint8_t *value, size_t n)
{
    char text[BINLOG_DECIMAL_LEN];
    if (n < 2 || value[0] == 0 || value[0] > 65 || value[1] > value[0] || value[1] > 38 ||
        n - 2 != binlog_decimal_size(value[0], value[1]))
        return NULL;
    binlog_decimal_text(value + 2, value[0], value[1], text);
    return xasprintf("CAST('%s' AS DECIMAL(%u,%u))", text, value[0], value[1]);
}

/* malloc'ed; NULL: a kind that is not known. */
static char *user_value(
    uint8_t kind, const uint8_t *value, size_t n, bool is_unsigned, struct binlog_variable *out)
{
    double real;
    if (kind == USER_VAR_TEXT) {
        _cleanup_free_ char *hex = hex_text(value, n, xmalloc(2 * n + 1));
        return xasprintf("CAST(X'%s' AS CHAR)", hex); /* its bytes, in the session's collation */
    }
    out->collation = 0;
    if (kind == USER_VAR_DECIMAL)
        return decimal_value(value, n);
    if (n != 8)
        return NULL;
    uint64_t bits = binlog_u64(value);
    if (kind == USER_VAR_INTEGER)
        return is_unsigned ? xasprintf("CAST(%" PRIu64 " AS UNSIGNED)", bits)
                           : xasprintf("CAST(%" PRId64 " AS SIGNED)", (int64_t)bits);
    memcpy(&real, &bits, sizeof real);
    return kind == USER_VAR_REAL && isfinite(real) ? xasprintf("%.17e", real) : NULL;
}

/* 1: of a kind that is not run again. */
static int user_variable(const uint8_t *p, size_t n, struct binlog_variable *out, struct err *e)
{
    struct binlog_variable v = {0};
    _cleanup_free_ char *value = NULL;
    size_t name = n >= 5 ? binlog_u32(p) : 0;
    if (name == 0 || name > n - 5 || memchr(p + 4, 0, name))
        return err_set(e, EBADMSG, "a variable's event is damaged");
    const uint8_t *rest = p + 4 + name;
    size_t left = n - 4 - name;
    if (rest[0])
        value = xstrdup("NULL");
    else {
        size_t length = left >= 10 ? binlog_u32(rest + 6) : 0;
        if (left < 10 || length > left - 10)
            return err_set(e, EBADMSG, "a variable's event is damaged");
        v.collation = binlog_u32(rest + 2);
        bool is_unsigned = left > 10 + length && rest[10 + length] & 1;
        value = user_value(rest[1], rest + 10, length, is_unsigned, &v);
    }
    if (!value)
        return 1;
    _cleanup_free_ char *quoted = sql_name_quoted_bytes(p + 4, name);
    v.text = xasprintf("SET @%s:=%s", quoted, value);
    *out = v;
    return 0;
}

int binlog_variable_parse(
    const uint8_t *event, size_t n, struct binlog_variable *out, struct err *e)
{
    const uint8_t *p = event + BINLOG_HEADER_SIZE;
    *out = (struct binlog_variable){0};
    if (event[4] == BINLOG_INTVAR && n >= BINLOG_HEADER_SIZE + 9 && (p[0] == 1 || p[0] == 2)) {
        out->text = xasprintf(
            "SET %s=%" PRIu64, p[0] == 1 ? "LAST_INSERT_ID" : "INSERT_ID", binlog_u64(p + 1));
        return 0;
    }
    if (event[4] == BINLOG_RAND && n >= BINLOG_HEADER_SIZE + 16) {
        out->text = xasprintf("SET @@rand_seed1=%" PRIu64 ", @@rand_seed2=%" PRIu64, binlog_u64(p),
            binlog_u64(p + 8));
        return 0;
    }
    int r = event[4] == BINLOG_USER_VAR ? user_variable(p, n - BINLOG_HEADER_SIZE, out, e) : 1;
    if (r <= 0)
        return r;
    return err_set(e, ENOTSUP,
        "a change was logged as a statement with a variable of a kind, or a file, which is not run again: the server needs binlog_format=ROW");
}
