/*
 * From block to open. Clients wait only here, so whatever takes long was done before (stage.c) or
 * is done after (accept). Before each step that could be found half done the journal says which one
 * it is.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "backup/job/restore/beside.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/restore.h"
#include "backup/job/restore/site.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "link/control.h"
#include "common/utf8.h"

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
    json_t *answer = NULL;
    run_phase(r->run, r->run->s.physical_type, "block", 0);
    json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "cmd", "block", "reason",
        "The practice database is being restored", "reason_de",
        "Die Praxis-Datenbank wird wiederhergestellt, bitte warten", "until",
        clock_iso(
            clock_wall_ms() + (int64_t)(r->expected_ms ? r->expected_ms : EXPECTED_MS), until));
    r->blocked_at_ms = clock_mono_ms();
    int code = control_call(proxy_of(r), BLOCK_MS, request, &answer, e);
    json_decref(request);
    if (code < 0)
        return err_prefix(e, code, "the proxy could not block the clients");
    json_t *addresses = json_object_get(answer, "addresses");
    if (json_array_size(addresses) > 0) {
        json_decref(r->addresses);
        r->addresses = json_incref(addresses);
    }
    json_decref(answer);
    char since[CLOCK_ISO_LEN];
    run_event(
        json_pack("{s:s, s:s}", "event", "blocked", "since", clock_iso(clock_wall_ms(), since)));
    return 0;
}

int restore_let_in(struct restore *r, struct err *e)
{
    if (!proxy_of(r))
        return 0;
    json_t *answer = NULL;
    int64_t silence = config_int(r->run->s.config, "restore", NULL, "stale_clients");
    run_phase(r->run, r->run->s.physical_type, "open", 0);
    json_t *request = json_pack("{s:s}", "cmd", "open");
    if (silence > 0 && r->addresses) {
        (void)json_object_set(request, "stale_addresses", r->addresses);
        (void)json_object_set_new(request, "stale_ms", json_integer(silence));
    }
    int code = control_call(proxy_of(r), BLOCK_MS, request, &answer, e);
    json_decref(request);
    json_decref(answer);
    if (r->blocked_at_ms)
        r->blocked_for_ms = clock_mono_ms() - r->blocked_at_ms;
    if (code == 0)
        run_event(json_pack("{s:s}", "event", "opened"));
    return code < 0 ? err_prefix(e, code, "the proxy could not let the clients in") : 0;
}

static int settle(struct restore *r, bool to_new, struct err *e)
{
    int code = restore_database_untouched(r, to_new, e);
    run_phase(r->run, r->run->s.physical_type, "swap", 0);
    for (size_t i = 0; i < r->n && code == 0; i++) {
        struct swap_folders f;
        code = restore_open_folders(&r->parts[i], &f, e);
        if (code == 0)
            code = swap_settle(&f, &r->parts[i].swap, to_new, NULL, NULL, e);
        restore_close_folders(&f);
        if (code < 0)
            err_prefix(e, code, "%s", r->parts[i].live);
    }
    return code == 0 ? restore_database_untouched(r, to_new, e) : code;
}

/* Names in the live folder that belong to neither side. A server lets go of its files' locks some
 * moments before it removes its pid file and socket, which MariaDB puts there by default. */
static const char *const leave[] = {".elexgate-restore", "lost+found", NULL};
static const char *const leave_of_server[] = {
    ".elexgate-restore", "lost+found", "*.pid", "*.sock", NULL};

/*
 * All of one side is live and the server stands still: what lies where now is what is to be
 * swapped. That also takes in what the server has made, replaced or removed since it started on
 * that side.
 */
static int plan(struct restore *r, bool live_is_new, struct err *e)
{
    int code = 0;
    for (size_t i = 0; i < r->n && code == 0; i++) {
        struct swap_folders f;
        struct swap now = {0};
        code = restore_open_folders(&r->parts[i], &f, e);
        if (code == 0) {
            const struct swap_folders pair = {f.live, live_is_new ? f.old : f.fresh, -1};
            code = swap_plan(&pair, r->parts[i].database ? leave_of_server : leave, &now, e);
        }
        restore_close_folders(&f);
        if (code < 0)
            break;
        for (size_t k = 0; live_is_new && k < now.n;
             k++) { /* swap_plan takes the live ones for old */
            uint64_t live = now.entries[k].old_ino;
            now.entries[k].old_ino = now.entries[k].new_ino;
            now.entries[k].new_ino = live;
        }
        swap_clear(&r->parts[i].swap);
        r->parts[i].swap = now;
    }
    return code;
}

static int start_and_look(struct restore *r, bool new_side, struct err *e)
{
    if (!restore_database(r))
        return 0;
    int code = restore_database_start(r, e);
    return code == 0 ? restore_database_check(r, new_side, e) : code;
}

static int start_again(struct restore *r, struct err *e)
{
    return restore_database(r) ? restore_database_start_again(r, e) : 0;
}

/* What is live now is what shall be: clients come in, and the journal says so or goes. */
static int finish(struct restore *r, bool new_live, struct err *e)
{
    int code = restore_let_in(r, e);
    if (code < 0)
        return code;
    if (restore_database(r))
        site_remember(r->run);
    r->new_live = new_live;
    if (new_live || r->again)
        return restore_journal_save(r, RESTORE_KEPT, e);
    code = restore_remove_staging(r, e); /* a first restore that came to nothing leaves nothing */
    return code == 0 ? restore_journal_remove(r, e) : code;
}

/* Back to what was live before this exchange, from wherever it stands. On failure clients stay
 * blocked. */
static int go_back(struct restore *r, struct err *e)
{
    bool was_new = r->new_live;
    int code = 0;
    if (r->phase == RESTORE_BLOCKED) /* nothing was moved */
        return (code = start_again(r, e)) == 0 ? finish(r, was_new, e) : code;
    if (restore_database(r) && r->n_locks == 0)
        code = restore_database_stop(r, e);
    if (code == 0 && r->phase == RESTORE_STARTING)
        code = plan(r, r->target_new, e);
    if (code == 0)
        code = restore_journal_save(r, was_new ? RESTORE_SWAPPING : RESTORE_UNDOING, e);
    if (code == 0)
        code = settle(r, was_new, e);
    if (code == 0)
        code = moment_mark(r, NULL, e);
    if (code == 0) /* the server will make and replace files, which the entries do not know */
        code = restore_journal_save(r, RESTORE_BLOCKED, e);
    if (code == 0)
        code = start_again(r, e);
    return code == 0 ? finish(r, was_new, e) : code;
}

static int exchange(struct restore *r, bool to_new, struct err *e)
{
    if (restore_database(r)) {
        restore_database_remember(r);
        restore_database_flush(r);
    }
    int code = restore_journal_save(r, RESTORE_BLOCKED, e);
    if (code == 0)
        code = restore_block(r, e);
    if (code == 0 && to_new && r->before_stop)
        code = r->before_stop(r, r->before_stop_ctx, e);
    if (code == 0 && restore_database(r))
        code = restore_database_stop(r, e);
    if (code == 0)
        code = plan(r, !to_new, e);
    if (code == 0)
        code = restore_journal_save(r, to_new ? RESTORE_SWAPPING : RESTORE_UNDOING, e);
    if (code == 0)
        code = settle(r, to_new, e);
    if (code == 0)
        code = moment_mark(r, to_new ? &r->place : &(struct binlog_place){.timeline = 0}, e);
    if (code == 0)
        code = restore_journal_save(r, RESTORE_STARTING, e);
    return code == 0 ? start_and_look(r, to_new, e) : code;
}

static int blocked_for_good(int code, const struct err *back, struct err *e)
{
    return err_prefix(e, code,
        "CLIENTS STAY BLOCKED, because going back failed as well (%s); put that right, then run `elexgate restore recover`, or restore another backup in its place",
        UTF8_SHORT(back->text, 200));
}

int restore_exchange(struct restore *r, bool to_new, struct err *e)
{
    if (r->beside)
        return beside_exchange(r, to_new, e);
    r->target_new = to_new;
    int code = exchange(r, to_new, e);
    if (code == 0)
        return finish(r, to_new, e);
    struct err back = {0};
    run_note("it failed and is being undone: %s", e->text);
    if (go_back(r, &back) < 0)
        return blocked_for_good(code, &back, e);
    return err_prefix(e, code, "everything is as it was before, and clients are let in");
}

/* The server may be on its way down, or up: a start command would be lost, or make a second server
 * that waits for the files. Once it was stopped it is known where it stands. If it cannot be held,
 * it runs, and then that is looked at. */
static void stand_still(struct restore *r)
{
    struct err e = {0};
    if (!restore_database(r))
        return;
    if (restore_block(r, &e) < 0 || restore_database_stop(r, &e) < 0)
        run_note("%s", e.text);
}

/*
 * A mid-way swap goes to the side that was live before: that one is known to work. Once all was
 * swapped, the new side gets its chance.
 */
int restore_recover(struct restore *r, struct err *e)
{
    int code = 0;
    if (r->beside)
        return beside_recover(r, e);
    switch (r->phase) {
    case RESTORE_KEPT:
        return 0;
    case RESTORE_STAGING:
        code = r->clients_out ? restore_let_in(r, e) : 0;
        if (code == 0)
            code = restore_remove_staging(r, e);
        return code == 0 ? restore_journal_remove(r, e) : code;
    case RESTORE_STARTING:
        stand_still(r);
        if (start_and_look(r, r->target_new, e) == 0)
            return finish(r, r->target_new, e);
        run_note("what was restored does not start and is being undone: %s", e->text);
        return go_back(r, e);
    case RESTORE_BLOCKED:
        stand_still(r);
        return go_back(r, e);
    default:
        return go_back(r, e);
    }
}
