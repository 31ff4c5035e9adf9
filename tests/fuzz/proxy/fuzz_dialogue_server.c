/* A recording with both sides in it (recording.h), followed whole, in random pieces and in single
 * bytes: all three must know the same after every piece, and keep what the header promises. */
#include "recording.h"

static void must(const char *broken)
{
    if (broken) {
        fprintf(stderr, "%s\n", broken);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recording r = recording_open(data, size);
    struct recording_piece piece;
    struct dialogue whole, pieces, bytes;
    unsigned whole_seed = 0, pieces_seed = (unsigned)size * 2654435761u | 2, bytes_seed = 1;
    if (r.rest.bad)
        return 0;
    dialogue_init(&whole, r.caps, r.status);
    dialogue_init(&pieces, r.caps, r.status);
    dialogue_init(&bytes, r.caps, r.status);
    while (recording_next(&r, &piece)) {
        unsigned events = recording_feed(&whole, &piece, &whole_seed);
        must(recording_feed(&pieces, &piece, &pieces_seed) != events ? "events: pieces" : NULL);
        must(recording_feed(&bytes, &piece, &bytes_seed) != events ? "events: bytes" : NULL);
        must(recording_difference(&whole, &pieces));
        must(recording_difference(&whole, &bytes));
        must(recording_broken_promise(&whole));
    }
    dialogue_clear(&whole);
    dialogue_clear(&pieces);
    dialogue_clear(&bytes);
    return 0;
}
