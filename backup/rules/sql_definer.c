#include "backup/rules/sql_definer.h"

#include <string.h>

static bool sign(const struct sql_statement *s, size_t i, char c)
{
    return i < s->n_tokens && s->tokens[i].kind == SQL_SIGN && s->text[s->tokens[i].at] == c;
}

/* user, user@host, CURRENT_USER or CURRENT_USER(): the token behind it. */
static size_t account_ends(const struct sql_statement *s, size_t i, struct sql_definer *d)
{
    size_t last = i;
    bool current = sql_token_is(s, i, "CURRENT_USER") || sql_token_is(s, i, "CURRENT_ROLE");
    if (!sql_token_text(s, i, d->user, sizeof d->user))
        return 0;
    if (current) {
        d->user[0] = '\0';
        if (sign(s, i + 1, '(') && sign(s, i + 2, ')'))
            last = i + 2;
    } else if (sign(s, i + 1, '@')) {
        last = i + 2;
        if (!sql_token_text(s, last, d->host, sizeof d->host))
            return 0;
    }
    if (last >= s->n_tokens)
        return 0;
    d->at = s->tokens[i].at;
    d->len = s->tokens[last].at + s->tokens[last].len - d->at;
    return last + 1;
}

/* What may stand between CREATE and the kind of the object. */
static bool in_between(const struct sql_statement *s, size_t i)
{
    static const char *const words[] = {"OR", "REPLACE", "ALGORITHM", "UNDEFINED", "MERGE",
        "TEMPTABLE", "SQL", "SECURITY", "DEFINER", "INVOKER", "AGGREGATE"};
    for (size_t k = 0; k < sizeof words / sizeof words[0]; k++)
        if (sql_token_is(s, i, words[k]))
            return true;
    return sign(s, i, '=');
}

static bool kind_of(const struct sql_statement *s, size_t *i, struct sql_definer *d)
{
    static const char *const words[] = {[SQL_VIEW] = "VIEW",
        [SQL_PROCEDURE] = "PROCEDURE",
        [SQL_FUNCTION] = "FUNCTION",
        [SQL_PACKAGE] = "PACKAGE",
        [SQL_PACKAGE_BODY] = NULL,
        [SQL_TRIGGER] = "TRIGGER",
        [SQL_EVENT] = "EVENT"};
    for (size_t k = 0; k < SQL_OBJECTS; k++)
        if (words[k] && sql_token_is(s, *i, words[k])) {
            bool body = k == SQL_PACKAGE && sql_token_is(s, *i + 1, "BODY");
            d->object = body ? SQL_PACKAGE_BODY : (enum sql_object)k;
            *i += body ? 2 : 1;
            return true;
        }
    return false;
}

bool sql_definer_find(const struct sql_statement *s, struct sql_definer *out)
{
    struct sql_definer d = {0};
    if (!sql_token_is(s, 0, "CREATE") && !sql_token_is(s, 0, "ALTER"))
        return false;
    size_t i = 1;
    while (i < s->n_tokens && !kind_of(s, &i, &d)) {
        if (sql_token_is(s, i, "DEFINER") && sign(s, i + 1, '=')) {
            size_t next = account_ends(s, i + 2, &d);
            if (next == 0)
                return false;
            i = next;
        } else if (in_between(s, i))
            i++;
        else
            return false;
    }
    if (sql_token_is(s, i, "IF"))
        i += sql_token_is(s, i + 1, "NOT") ? 3 : 2;
    if (sign(s, i + 1, '.'))
        i += 2;
    if (!sql_token_text(s, i, d.name, sizeof d.name))
        return false;
    *out = d;
    return true;
}
