/* 8 bytes capabilities, then a payload: parsed as a first packet, as a response, as a change of
 * user, and as the server's. */
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/login.h"
#include "proxy/wire/server_proof.h"
#include "proxy/wire/sha2_login.h"

static void must(bool good)
{
    if (!good)
        abort();
}

/* Within the payload, well-formed, and nowhere but in an OK. */
static void check_proof(const uint8_t *p, size_t n)
{
    size_t at = server_proof_find(p, n);
    must(at == 0 || (at >= 9 && at + SERVER_PROOF_LEN <= n && p[at - 1] == 1));
    must(at == 0 || server_proof_well_formed((const char *)p + at, SERVER_PROOF_LEN));
    must(at == 0 || login_classify(p, n) == LOGIN_OK);
}

/* A switch never asks for the password; only the two bytes that do, do. */
static void check_sha2(const uint8_t *p, size_t n)
{
    static const uint8_t scramble[SHA2_SCRAMBLE_LEN];
    struct sha2_login l;
    size_t len;
    sha2_login_begin(&l, "caching_sha2_password", scramble);
    sha2_login_on_server(&l, p, n);
    must(l.step == (n == 2 && p[0] == 1 && p[1] == 4 ? SHA2_PASSWORD : SHA2_NONE));
    must(l.plugin || login_classify(p, n) == LOGIN_SWITCH);
    const char *key = sha2_login_key(p, n, &len);
    must(!key || ((const uint8_t *)key == p + 1 && len == n - 1));
}

static void check_names(struct login_names *n, int result)
{
    if (result < 0) {
        must(!n->user && !n->attributes); /* untouched */
        return;
    }
    const char *const all[] = {n->user, n->database, n->plugin};
    for (size_t i = 0; i < 3; i++)
        must(all[i] && strlen(all[i]) <= LOGIN_TEXT_MAX);
    must(n->program && strlen(n->program) <= 2 * LOGIN_TEXT_MAX + 1);
    must(n->attributes && n->attributes_len <= LOGIN_ATTRIBUTES_MAX);
    size_t nuls = 0;
    for (size_t i = 0; i < n->attributes_len; i++)
        nuls += n->attributes[i] == '\0';
    must(nuls % 2 == 0 && (nuls == 0 || n->attributes[n->attributes_len - 1] == '\0'));
    login_names_free(n);
    must(!n->user);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_make(data, size);
    uint64_t caps = cursor_u64(&c);
    struct login_head head, after;
    struct login_names names = {0};
    struct err e = {0};
    uint16_t status;
    if (c.bad)
        return 0;
    size_t n = cursor_left(&c);
    const uint8_t *p = c.p;
    login_foreign(p, n);
    check_proof(p, n);
    check_sha2(p, n);
    if (login_classify(p, n) != LOGIN_OK)
        must(!login_ok_status(p, n, &status));
    else if (login_ok_status(p, n, &status))
        must(n >= 5);
    check_names(&names, login_parse(p, n, caps, &names, &e));
    e.text[0] = '\0';
    must(login_check(p, n, caps, &e) == 0 || e.text[0] != '\0');
    check_names(&names, login_parse_change_user(p, n, caps, &names, &e));

    int first = login_first(p, n, &head, &e);
    if (first < 0) {
        must(e.text[0] != '\0');
        return 0;
    }
    must(first == (n == SSL_REQUEST_LENGTH && (head.caps & CAP_SSL)));
    uint8_t *copy = malloc(n);
    memcpy(copy, p, n);
    head.caps = caps | CAP_PROTOCOL_41;
    must(login_rewrite(copy, n, &head, &e) == 0);
    must(login_first(copy, n, &after, &e) == 0);
    uint64_t kept = head.caps & (head.caps & CAP_MYSQL ? UINT32_MAX : UINT64_MAX);
    must(after.caps == (kept & ~(CAP_SSL | CAP_COMPRESS | CAP_ZSTD)));
    must(memcmp(copy + 4, p + 4, 24) == 0 && memcmp(copy + 32, p + 32, n - 32) == 0);
    free(copy);
    return 0;
}
