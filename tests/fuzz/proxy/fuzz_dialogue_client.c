/* What a client sends, against a server that answers every command as it should: then the dialogue
 * is never lost, and once all is answered nothing is outstanding. Input: 8 bytes capabilities, 2
 * bytes status, then the client's bytes. */
#include "recording.h"
#include "proxy/wire/dialogue_private.h"

static void must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static unsigned send_packet(struct dialogue *d, const char *payload, uint8_t n)
{
    uint8_t packet[PACKET_HEADER + 64];
    packet_header(packet, n, 1);
    memcpy(packet + PACKET_HEADER, payload, n);
    return dialogue_server(d, packet, PACKET_HEADER + n);
}

static void end_rows(struct dialogue *d, const char *status)
{
    char ok[] = "\xfe\0\0..\0\0", eof[] = "\xfe\0\0..";
    memcpy(ok + 3, status, 2);
    memcpy(eof + 3, status, 2);
    if (d->caps & CAP_DEPRECATE_EOF)
        send_packet(d, ok, 7);
    else
        send_packet(d, eof, 5);
}

/* Answers the oldest command that has come in whole, in one of its forms. false: there is none. */
static bool answer(struct dialogue *d, unsigned choice)
{
    static const char *const states[] = {"\2\0", "\3\0"};
    const char *status = states[choice & 1];
    char ok[] = "\0\0\0..\0\0";
    memcpy(ok + 3, status, 2);
    if (d->ring_len == 0 || (d->ring_len == 1 && d->receiving) || d->infile || d->auth_turn)
        return false;
    uint8_t kind = *ring_front(d) & REPLY_KIND;
    if (choice % 7 == 0 || d->streaming) { /* an error ends a binlog stream */
        send_packet(d, "\xff\x15\x04#28000no", 11);
        return true;
    }
    switch (kind) {
    case REPLY_QUERY:
        if (choice & 2) {
            send_packet(d, d->caps & CAP_CACHE_METADATA ? "\1\1" : "\1",
                d->caps & CAP_CACHE_METADATA ? 2 : 1);
            send_packet(d, "\3def", 4);
            if (!(d->caps & CAP_DEPRECATE_EOF))
                end_rows(d, status);
            send_packet(d, "\1x", 2);
            end_rows(d, status);
        } else if ((choice & 12) == 12 && d->caps & CAP_LOCAL_FILES) {
            send_packet(d,
                "\xfb"
                "f",
                2);
        } else {
            send_packet(d, ok, 7);
        }
        break;
    case REPLY_PREPARE: {
        char prepared[] = "\0.\0\0\0\0\0\0\0\0\0\0";
        prepared[1] = (char)choice;
        send_packet(d, prepared, 12);
        break;
    }
    case REPLY_LIST:
        end_rows(d, status);
        break;
    case REPLY_AUTH:
        if (choice & 2)
            send_packet(d, "\xfeplugin", 7);
        else
            send_packet(d, ok, 7);
        break;
    default:
        send_packet(d, ok, 7);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recording r = recording_open(data, size);
    struct dialogue whole, pieces;
    unsigned seed = (unsigned)size * 2654435761u | 2, none = 0, choice = (unsigned)size;
    if (r.rest.bad)
        return 0;
    r.caps &= ~CAP_OPTIONAL_METADATA; /* not followed, and says so */
    dialogue_init(&whole, r.caps, r.status);
    dialogue_init(&pieces, r.caps, r.status);
    while (cursor_left(&r.rest) > 0) {
        size_t n = cursor_left(&r.rest) < 60 ? cursor_left(&r.rest) : 60;
        struct recording_piece piece = {.p = cursor_bytes(&r.rest, n), .n = n};
        unsigned events = recording_feed(&whole, &piece, &none);
        must(recording_feed(&pieces, &piece, &seed) == events, "events");
        do {
            const char *what = recording_difference(&whole, &pieces);
            must(!what, what);
            what = recording_broken_promise(&whole);
            must(!what, what);
            choice = choice * 7 + 3;
        } while (answer(&whole, choice) && answer(&pieces, choice));
        must(!whole.lost, "a server that does as it should loses nobody");
    }
    must(whole.ring_len <= 1 || whole.infile || whole.auth_turn, "all was answered");
    dialogue_clear(&whole);
    dialogue_clear(&pieces);
    return 0;
}
