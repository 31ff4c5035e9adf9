/*
 * The text of what was revoked: what is read can be written and read again with the same content.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "certs/revoke.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct revoke_list *a)
{
    char *text = NULL;
    size_t len = 0;
    struct revoke_list b = {0};
    FILE *f = open_memstream(&text, &len);
    CHECK(f != NULL);
    for (size_t i = 0; i < a->n; i++)
        fprintf(f, "%s %lld name\n", a->v[i].serial, (long long)a->v[i].at);
    CHECK(fclose(f) == 0);
    CHECK(revoke_parse(text, len, "again", &b, NULL) == 0 && a->n == b.n);
    for (size_t i = 0; i < a->n; i++)
        CHECK(strcmp(a->v[i].serial, b.v[i].serial) == 0 && a->v[i].at == b.v[i].at);
    revoke_clear(&b);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct revoke_list l = {0};
    int r = revoke_parse((const char *)data, size, "revoked", &l, &e);
    if (r == 0)
        check_same(&l);
    else
        CHECK(r == -EBADMSG && e.text[0] != '\0' && l.v == NULL);
    revoke_clear(&l);
    return 0;
}
