#include "proxy/wire/user_guard.h"

#include <errno.h>
#include <string.h>
#include "common/buffer.h"

#define COM_CHANGE_USER 0x11

struct user_guard {
    uint64_t caps;
    uint32_t left; /* payload bytes of the packet to come */
    uint8_t head[PACKET_HEADER];
    uint8_t head_len;
    bool continued; /* the packet before had PACKET_MAX bytes: no command begins here */
    bool first;     /* the next byte of payload is the packet's first */
    bool collecting;
    bool file; /* in the data of LOAD DATA LOCAL */
    struct buffer packet;
};

struct user_guard *user_guard_new(uint64_t caps)
{
    struct user_guard *g = xcalloc(1, sizeof *g);
    g->caps = caps;
    buffer_init(&g->packet, LOGIN_PACKET_MAX);
    return g;
}

void user_guard_free(struct user_guard *g)
{
    if (!g)
        return;
    buffer_free(&g->packet);
    free(g);
}

static int packet_bytes(struct user_guard *g, const uint8_t *p, size_t n, struct err *e)
{
    if (g->first && n > 0) {
        g->first = false;
        g->collecting = !g->continued && g->head[3] == 0 && p[0] == COM_CHANGE_USER;
    }
    if (g->collecting && buffer_append(&g->packet, p, n) < 0) {
        g->collecting = false;
        buffer_free(&g->packet);
        return err_set(e, EPROTO, "it has more than %u bytes", LOGIN_PACKET_MAX);
    }
    return 0;
}

/* The packet is over. 1: it was a change of user. */
static int packet_over(struct user_guard *g, struct login_names *out, struct err *e)
{
    g->head_len = 0;
    if (packet_length(g->head) == 0 && !g->continued)
        g->file = false;
    g->continued = packet_length(g->head) == PACKET_MAX;
    if (!g->collecting || g->continued)
        return 0;
    g->collecting = false;
    int r = login_parse_change_user(
        buffer_ptr(&g->packet), buffer_len(&g->packet), g->caps, out, e);
    buffer_free(&g->packet);
    return r < 0 ? r : 1;
}

/* Nearly everything: one packet that lies whole in the bytes and is no change of user. */
static bool is_one_harmless_packet(const struct user_guard *g, const uint8_t *p, size_t n)
{
    return g->head_len == 0 && !g->continued && n > PACKET_HEADER &&
           packet_length(p) == n - PACKET_HEADER && n - PACKET_HEADER < PACKET_MAX &&
           !(p[3] == 0 && p[PACKET_HEADER] == COM_CHANGE_USER);
}

void user_guard_set_file(struct user_guard *g, bool file)
{
    g->file = file;
}

bool user_guard_in_file(const struct user_guard *g)
{
    return g->file;
}

int user_guard_feed(struct user_guard *g, const uint8_t *p, size_t n, size_t *taken,
    struct login_names *out, struct err *e)
{
    size_t at = 0;
    int r = 0;
    if (is_one_harmless_packet(g, p, n)) {
        *taken = n;
        return 0;
    }
    while (at < n && r == 0) {
        if (g->head_len < PACKET_HEADER) {
            g->head[g->head_len++] = p[at++];
            if (g->head_len < PACKET_HEADER)
                continue;
            g->left = packet_length(g->head);
            g->first = true;
        } else {
            size_t here = n - at < g->left ? n - at : g->left;
            r = packet_bytes(g, p + at, here, e);
            g->left -= (uint32_t)here;
            at += here;
        }
        if (r == 0 && g->left == 0)
            r = packet_over(g, out, e);
    }
    *taken = at;
    return r;
}
