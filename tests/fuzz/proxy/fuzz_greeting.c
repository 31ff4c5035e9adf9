/* One byte that chooses the change, then a whole greeting packet. What could be rewritten parses,
 * and differs only in what was asked for. */
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/greeting.h"

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const announce[] = {NULL, "server", "elexis", "8.0.36"};
    const uint64_t may_change = CAP_SSL | CAP_COMPRESS | CAP_ZSTD;
    uint8_t out[GREETING_MAX], again[GREETING_MAX];
    size_t out_len, again_len;
    struct greeting before, after;
    struct err e = {0};
    if (size < 1 + PACKET_HEADER)
        return 0;
    struct greeting_change change = {.offer_tls = data[0] & 4, .announce = announce[data[0] & 3]};
    const uint8_t *packet = data + 1;
    size_t n = size - 1;
    int parsed = greeting_parse(packet + PACKET_HEADER, n - PACKET_HEADER, &before, &e);
    must((parsed == 0) == (e.text[0] == '\0'));
    if (greeting_rewrite(packet, n, &change, out, &out_len, &e) < 0)
        return 0;
    must(parsed == 0 && out_len <= GREETING_MAX && packet_length(out) == out_len - PACKET_HEADER);
    must(greeting_parse(out + PACKET_HEADER, out_len - PACKET_HEADER, &after, &e) == 0);
    must((before.caps | may_change) == (after.caps | may_change));
    must(((after.caps & CAP_SSL) != 0) == change.offer_tls);
    must(!(after.caps & (CAP_COMPRESS | CAP_ZSTD)));
    must(before.thread_id == after.thread_id && before.status == after.status);
    must(memcmp(before.scramble, after.scramble, 20) == 0);
    must(strcmp(before.plugin, after.plugin) == 0);
    /* A second time with the server's own version changes nothing more. */
    struct greeting_change same = {.offer_tls = change.offer_tls};
    must(greeting_rewrite(out, out_len, &same, again, &again_len, &e) == 0);
    must(again_len == out_len && memcmp(out, again, out_len) == 0);
    return 0;
}
