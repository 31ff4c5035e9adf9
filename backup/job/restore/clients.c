#include "backup/job/restore/clients.h"

#include "common/clock.h"
#include "common/json_get.h"
#include "link/control.h"

/* Sessions get their grace period, then the proxy answers. */
#define BLOCK_MS    60000
#define EXPECTED_MS 60000

/* The way to the clients goes through the proxy, or there is none to block. */
static const char *proxy_of(const struct restore *r)
{
    return restore_database(r) || r->beside ? r->run->s.proxy_socket : NULL;
}

int restore_block(struct restore *r, struct err *e)
{
    if (!proxy_of(r))
        return 0;
    char until[CLOCK_ISO_LEN];
    _cleanup_json_ json_t *answer = NULL;
    run_phase(r->run, r->run->s.physical_type, "block", 0);
    _cleanup_json_ json_t *request = json_pack("{s:s, s:s}", "cmd", "block", "until",
        clock_iso(
            clock_wall_ms() + (int64_t)(r->expected_ms ? r->expected_ms : EXPECTED_MS), until));
    r->blocked_at_ms = clock_mono_ms();
    int code = control_call(proxy_of(r), BLOCK_MS, request, &answer, e);
    if (code < 0)
        return err_prefix(e, code, "the proxy could not block the clients");
    json_t *addresses = json_object_get(answer, "addresses");
    if (json_array_size(addresses) > 0)
        json_keep(&r->addresses, addresses);
    char since[CLOCK_ISO_LEN];
    run_event(
        json_pack("{s:s, s:s}", "event", "blocked", "since", clock_iso(clock_wall_ms(), since)));
    return 0;
}

int restore_let_in(struct restore *r, struct err *e)
{
    if (!proxy_of(r))
        return 0;
    _cleanup_json_ json_t *answer = NULL;
    int64_t silence = config_int(r->run->s.config, "restore", NULL, "stale_clients");
    run_phase(r->run, r->run->s.physical_type, "open", 0);
    _cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "open");
    if (silence > 0 && r->addresses) {
        (void)json_object_set(request, "stale_addresses", r->addresses);
        (void)json_object_set_new(request, "stale_ms", json_integer(silence));
    }
    int code = control_call(proxy_of(r), BLOCK_MS, request, &answer, e);
    if (r->blocked_at_ms)
        r->blocked_for_ms = clock_mono_ms() - r->blocked_at_ms;
    if (code == 0)
        run_event(json_pack("{s:s}", "event", "opened"));
    return code < 0 ? err_prefix(e, code, "the proxy could not let the clients in") : 0;
}
