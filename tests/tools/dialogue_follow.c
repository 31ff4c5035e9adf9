/*
 * Follows recorded dialogues (tests/fuzz/proxy/recording.h) and says what it understood.
 *     dialogue-follow RECORDING...
 * One JSON line a piece, and one a recording with "end":true. Each recording is followed a second
 * time in random pieces and, if it is small, a third time in single bytes; exit status 1 if that
 * gave anything else.
 */
#include <errno.h>
#include <sys/stat.h>
#include "tests/fuzz/proxy/recording.h"

#define SINGLE_BYTES_MAX (1u << 20)

static bool failed;

static void differs(const char *name, const char *what, const char *how)
{
    fprintf(stderr, "%s: %s differs %s\n", name, what, how);
    failed = true;
}

static void follow(const char *name, const uint8_t *data, size_t n)
{
    struct recording r = recording_open(data, n);
    struct recording_piece piece;
    struct dialogue whole, pieces, bytes;
    unsigned whole_seed = 0, pieces_seed = 4711, bytes_seed = n <= SINGLE_BYTES_MAX ? 1 : 0;
    dialogue_init(&whole, r.caps, r.status);
    dialogue_init(&pieces, r.caps, r.status);
    dialogue_init(&bytes, r.caps, r.status);
    static const char *const open[] = {"false", "true", "null"};
    while (recording_next(&r, &piece)) {
        unsigned events = recording_feed(&whole, &piece, &whole_seed);
        if (recording_feed(&pieces, &piece, &pieces_seed) != events)
            differs(name, "an event", "in random pieces");
        if (recording_feed(&bytes, &piece, &bytes_seed) != events)
            differs(name, "an event", "in single bytes");
        const char *what = recording_difference(&whole, &pieces);
        if (what)
            differs(name, what, "in random pieces");
        what = recording_difference(&whole, &bytes);
        if (what)
            differs(name, what, "in single bytes");
        what = recording_broken_promise(&whole);
        if (what)
            differs(name, what, "from the promise");
        printf(
            "{\"from\":\"%s\",\"bytes\":%zu,\"events\":%u,\"outstanding\":%u,\"writing\":%u,\"in_transaction\":%s,\"between\":%s,\"error\":%u}\n",
            piece.from_server ? "server" : "client", piece.n, events, whole.outstanding,
            whole.write_outstanding, open[whole.transaction],
            dialogue_between(&whole) ? "true" : "false", whole.server_error);
    }
    printf(
        "{\"end\":true,\"outstanding\":%u,\"reads\":%llu,\"writes\":%llu,\"between\":%s,\"unasked\":\"%s\",\"lost\":\"%s\"}\n",
        whole.outstanding, (unsigned long long)whole.reads, (unsigned long long)whole.writes,
        dialogue_between(&whole) ? "true" : "false", whole.unasked_error,
        whole.lost ? whole.lost_why : "");
    dialogue_clear(&whole);
    dialogue_clear(&pieces);
    dialogue_clear(&bytes);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        FILE *f = fopen(argv[i], "rb");
        if (!f || fstat(fileno(f), &st) < 0) {
            fprintf(stderr, "cannot open %s: %s\n", argv[i], strerror(errno));
            return 2;
        }
        size_t n = (size_t)st.st_size;
        uint8_t *data = malloc(n + 1);
        if (!data || fread(data, 1, n, f) != n) {
            fprintf(stderr, "cannot read %s\n", argv[i]);
            return 2;
        }
        fclose(f);
        follow(argv[i], data, n);
        free(data);
    }
    return failed ? 1 : 0;
}
