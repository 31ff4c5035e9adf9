#include "common/sql_name.h"

#include <string.h>

/* doubled, and what else: each is written twice. */
static char *quoted(char quote, const char *doubled, const char *text, size_t n)
{
    char *out = xmalloc(2 * n + 3), *p = out;
    *p++ = quote;
    for (size_t i = 0; i < n; i++) {
        if (text[i] && strchr(doubled, text[i]))
            *p++ = text[i];
        *p++ = text[i];
    }
    *p++ = quote;
    *p = '\0';
    return out;
}

char *sql_name_quoted_bytes(const void *name, size_t n)
{
    return quoted('`', "`", name, n);
}

char *sql_name_quoted(const char *name)
{
    return quoted('`', "`", name, strlen(name));
}

char *sql_name_text(const char *text)
{
    return quoted('\'', "'\\", text, strlen(text));
}

char *sql_name_quoted_table(const char *schema, const char *table)
{
    _cleanup_free_ char *s = sql_name_quoted(schema), *t = sql_name_quoted(table);
    return xasprintf("%s.%s", s, t);
}

char *sql_name_table(const char *schema, const char *table)
{
    return xasprintf("%s.%s", schema, table);
}

char *sql_name_quoted_account(const char *user, const char *host)
{
    _cleanup_free_ char *u = sql_name_text(user), *h = sql_name_text(host);
    return xasprintf("%s@%s", u, h);
}

char *sql_name_account(const char *user, const char *host)
{
    return xasprintf("%s@%s", user, host);
}
