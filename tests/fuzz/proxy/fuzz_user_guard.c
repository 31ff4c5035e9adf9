/* 8 bytes capabilities, then what a client sends: whole and byte by byte the guard finds the same
 * changes of user at the same places, or the same fault; and never goes past what it was given. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/user_guard.h"

#define FOUND_MAX 64u

struct found {
    size_t n, at[FOUND_MAX];
    char *user[FOUND_MAX];
    bool fault;
};

static void must(bool good)
{
    if (!good)
        abort();
}

static void feed(struct found *f, uint64_t caps, const uint8_t *p, size_t n, size_t piece)
{
    struct user_guard *g = user_guard_new(caps);
    size_t done = 0;
    while (done < n && f->n < FOUND_MAX && !f->fault) {
        struct login_names names;
        struct err e = {0};
        size_t taken = 0, left = n - done < piece ? n - done : piece;
        int r = user_guard_feed(g, p + done, left, &taken, &names, &e);
        must(r >= -71 && r <= 1 && (r < 0 || taken <= left) && (r != 0 || taken == left));
        f->fault = r < 0;
        must(!f->fault || e.text[0]);
        if (r == 1) {
            must(taken > 0);
            f->user[f->n] = xstrdup(names.user);
            f->at[f->n++] = done + taken;
            login_names_free(&names);
        }
        done += taken;
    }
    user_guard_free(g);
}

static void forget(struct found *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->user[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_make(data, size);
    uint64_t caps = cursor_u64(&c);
    if (c.bad)
        return 0;
    struct found whole = {0}, bytes = {0};
    feed(&whole, caps, c.p, cursor_left(&c), SIZE_MAX);
    feed(&bytes, caps, c.p, cursor_left(&c), 1);
    must(whole.n == bytes.n && whole.fault == bytes.fault);
    for (size_t i = 0; i < whole.n; i++)
        must(whole.at[i] == bytes.at[i] && strcmp(whole.user[i], bytes.user[i]) == 0);
    forget(&whole);
    forget(&bytes);
    return 0;
}
