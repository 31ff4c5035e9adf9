/*
 * Lines of the ledger: what is accepted says the same when it is written again, and a line is
 * accepted behind its own predecessor only.
 */
#include <stdint.h>
#include <string.h>

#include "backup/archive/ledger.h"
#include "backup/archive/seal.h"
#include "common/hex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum can hardly be found by trying: it is made right, so that what is behind it is tried too. */
static char *with_right_sum(const uint8_t *data, size_t size)
{
    char sum[SHA256_HEX_LEN];
    char *body = xasprintf("%.*s", (int)size, (const char *)data);
    char *both = xasprintf(" %s", body);
    hex_sha256(both, strlen(both), sum);
    char *line = xasprintf("%s,\"chain\":\"%s\"}", body, sum);
    free(body);
    free(both);
    return line;
}

static void try_line(const char *line, size_t size)
{
    char chain[SHA256_HEX_LEN] = "", again[SHA256_HEX_LEN] = "", other[SHA256_HEX_LEN];
    struct ledger_entry entry, back;
    struct err e = {0};
    if (ledger_line_parse(line, size, chain, &entry, &e) != 0) {
        CHECK(e.code && e.text[0] && !chain[0]);
        return;
    }
    char *written = ledger_line(&entry, again);
    memset(other, 0, sizeof other);
    CHECK(ledger_line_parse(written, strlen(written), other, &back, &e) == 0);
    CHECK(memcmp(&entry, &back, sizeof entry) == 0 && strcmp(again, other) == 0);
    CHECK(ledger_line_parse(written, strlen(written), other, &back, &e) < 0);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 100000)
        return 0;
    try_line((const char *)data, size);
    char *line = with_right_sum(data, size);
    try_line(line, strlen(line));
    free(line);
    return 0;
}
