/* What a server says to a probe: the same result in one piece and byte at a time, and an answer of
 * ours that is a whole packet whenever it asks for sending. First byte: even = with an account. */
#include <stdlib.h>
#include <string.h>
#include "proxy/wire/packet.h"
#include "proxy/wire/probe_dialogue.h"

static void must(bool good)
{
    if (!good)
        abort();
}

static void prove(void *ctx, const uint8_t scramble[20], uint8_t proof[20])
{
    (void)ctx;
    memcpy(proof, scramble, 20);
}

static enum probe_step check(const struct probe_dialogue *d, enum probe_step step)
{
    if (step == PROBE_SEND)
        must(d->out_len > PACKET_HEADER && d->out_len <= sizeof d->out &&
             packet_length(d->out) + PACKET_HEADER == d->out_len);
    must((step != PROBE_FAILED && step != PROBE_REFUSED) || d->trouble[0]);
    for (const char *c = d->trouble; *c; c++)
        must(*c >= ' ' && *c <= '~');
    must(strlen(d->trouble) < sizeof d->trouble && d->in_len <= sizeof d->in);
    return step;
}

/* To its end, or as far as the bytes go. */
static enum probe_step talk(struct probe_dialogue *d, const uint8_t *data, size_t n, size_t piece)
{
    enum probe_step step = PROBE_WAIT;
    while (n > 0 && step == PROBE_WAIT) {
        size_t now = piece < n ? piece : n;
        step = check(d, probe_dialogue_feed(d, data, now));
        data += now;
        n -= now;
        while (step == PROBE_SEND)
            step = check(d, probe_dialogue_feed(d, NULL, 0));
    }
    return step;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct probe_dialogue whole, pieces;
    if (size < 1 || size > PROBE_IN_MAX)
        return 0;
    const char *user = data[0] % 2 ? NULL : "probe";
    probe_dialogue_init(&whole, user, prove, NULL);
    probe_dialogue_init(&pieces, user, prove, NULL);
    enum probe_step a = talk(&whole, data + 1, size - 1, size);
    enum probe_step b = talk(&pieces, data + 1, size - 1, 1);
    must(a == b && whole.asked == pieces.asked && whole.read_only == pieces.read_only &&
         whole.galera == pieces.galera && !strcmp(whole.trouble, pieces.trouble));
    return 0;
}
