/*
 * Any bytes: the same statements, or the same refusal at the same line, however they are cut into
 * pieces and whether texts are kept or not; tokens lie in their statement; what was accepted is
 * accepted again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backup/rules/sql_definer.h"
#include "backup/rules/sql_lexer.h"
#include "common/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    size_t n, bytes;
    uint64_t sum, line;
    enum sql_refusal refused;
    unsigned modes;
};

static void note(struct seen *seen, const struct sql_statement *s, bool keep)
{
    char text[300];
    struct sql_definer d;
    seen->n++;
    seen->sum = seen->sum * 31 + s->line;
    for (size_t i = 0; keep && i < s->len; i++)
        seen->sum = seen->sum * 31 + (unsigned char)s->text[i];
    CHECK(s->n_tokens <= SQL_TOKENS_MAX);
    for (size_t i = 0; i < s->n_tokens; i++) {
        CHECK(s->tokens[i].len > 0 && s->tokens[i].at + s->tokens[i].len <= s->len);
        CHECK(!sql_token_text(s, i, text, sizeof text) || strlen(text) <= s->tokens[i].len);
    }
    if (sql_definer_find(s, &d))
        CHECK(d.at + d.len <= s->len && strlen(d.name) > 0);
}

static struct seen read_all(const uint8_t *data, size_t size, size_t piece, bool keep)
{
    struct sql_lexer *l = sql_lexer_new(keep, 1 << 20);
    struct sql_statement s;
    struct seen seen = {0};
    for (size_t at = 0; at <= size; at += piece) {
        size_t n = size - at < piece ? size - at : piece;
        sql_lexer_feed(l, data + at, n);
        if (at + piece > size)
            sql_lexer_end(l);
        while (sql_lexer_next(l, &s) > 0)
            note(&seen, &s, keep);
    }
    CHECK(sql_lexer_next(l, &s) == (sql_lexer_refused(l) ? -1 : 0));
    seen.refused = sql_lexer_refused(l);
    seen.line = sql_lexer_line(l);
    seen.modes = sql_lexer_modes(l);
    CHECK(*sql_refusal_words(seen.refused) || !seen.refused);
    sql_lexer_free(l);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    struct seen whole = read_all(data, size, size + 1, true);
    struct seen bytes = read_all(data, size, 1, true);
    struct seen some = read_all(data, size, 7, false);
    CHECK(whole.n == bytes.n && whole.sum == bytes.sum && whole.line == bytes.line);
    CHECK(whole.refused == bytes.refused && whole.modes == bytes.modes);
    CHECK(whole.n == some.n && whole.refused == some.refused && whole.modes == some.modes);
    return 0;
}
