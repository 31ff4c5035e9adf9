/*
 * The lexer for other programs' use: texts on standard input, each after its length (4 bytes,
 * little end first). For each a line: its statements in hexadecimal, each followed by ":" and those
 * of its tokens, with "," between them; at the end "=" and the words of the refusal, if there was
 * one.
 */
#include <stdio.h>
#include <stdlib.h>
#include "backup/rules/sql_lexer.h"
#include "common/error.h"

static void hex(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("%02x", (unsigned char)data[i]);
}

static void cut(const char *text, size_t len)
{
    struct sql_lexer *l = sql_lexer_new(true, 1 << 24);
    struct sql_statement s;
    int r;
    sql_lexer_feed(l, text, len);
    sql_lexer_end(l);
    while ((r = sql_lexer_next(l, &s)) > 0) {
        hex(s.text, s.len);
        putchar(':');
        for (size_t i = 0; i < s.n_tokens; i++) {
            hex(s.text + s.tokens[i].at, s.tokens[i].len);
            putchar(',');
        }
        putchar(' ');
    }
    printf("=%s\n", r < 0 ? sql_refusal_words(sql_lexer_refused(l)) : "");
    fflush(stdout);
    sql_lexer_free(l);
}

int main(void)
{
    unsigned char head[4];
    while (fread(head, 1, 4, stdin) == 4) {
        size_t n = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
        char *text = xmalloc(n + 1);
        if (fread(text, 1, n, stdin) != n)
            return 1;
        cut(text, n);
        free(text);
    }
    return 0;
}
