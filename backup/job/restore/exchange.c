/*
 * From block to open. Clients wait only here, so whatever takes long was done before (stage.c) or
 * is done after (accept). Before each step that could be found half done the journal says which one
 * it is.
 */
#include "backup/job/restore/exchange.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/restore/beside.h"
#include "backup/job/restore/clients.h"
#include "backup/job/restore/database.h"
#include "backup/job/restore/moment.h"
#include "backup/job/restore/site.h"
#include "common/file.h"
#include "common/json_get.h"

void restore_clear(struct restore *r)
{
    restore_database_unlock(r);
    if (r->server_fd > 0)
        close(r->server_fd);
    restore_journal_clear(r);
    *r = (struct restore){0};
}

static int settle(struct restore *r, bool to_new, struct err *e)
{
    if (r->beside)
        return beside_settle(r, to_new, e);
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
    if (r->beside)
        return beside_plan(r, !live_is_new, e);
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

int restore_remove_staging(struct restore *r, struct err *e)
{
    int code = r->beside ? beside_remove(r, e) : 0;
    for (size_t i = 0; i < r->n && code == 0; i++) {
        code = file_remove_path(r->parts[i].root, e);
        if (code == 0 && r->made_live)
            (void)rmdir(r->parts[i].live); /* fails, as it should, once something is in it */
    }
    return code;
}

int restore_give_up_staging(struct restore *r, int code, struct err *e)
{
    struct err left = {0};
    int removed = restore_remove_staging(r, &left);
    if (removed == 0 && r->clients_out)
        removed = restore_journal_save(r, RESTORE_BLOCKED, &left);
    else if (removed == 0)
        removed = restore_journal_remove(r, &left);
    if (removed < 0)
        return err_prefix(e, code, "%s; and the restore failed", err_words(&left));
    return code;
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
    if (code == 0 && r->phase == RESTORE_STARTING && !r->beside) /* whose tables are known */
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
    if (r->beside)
        beside_tell_way();
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

static int blocked_for_good(
    const struct restore *r, int code, const struct err *back, struct err *e)
{
    if (r->beside)
        return err_prefix(e, code,
            "CLIENTS STAY BLOCKED, because going back failed as well (%s); put that right, then run `elexgate restore recover`; the tables lie in the databases %s, %s and %s",
            err_words(back), json_get_str(r->beside, "database"), json_get_str(r->beside, "new"),
            json_get_str(r->beside, "old"));
    return err_prefix(e, code,
        "CLIENTS STAY BLOCKED, because going back failed as well (%s); put that right, then run `elexgate restore recover`, or restore another backup in its place",
        err_words(back));
}

int restore_exchange(struct restore *r, bool to_new, struct err *e)
{
    r->target_new = to_new;
    int code = exchange(r, to_new, e);
    if (code == 0)
        return finish(r, to_new, e);
    struct err back = {0};
    run_tell_of(e, "it failed and is being undone");
    if (go_back(r, &back) < 0)
        return blocked_for_good(r, code, &back, e);
    return err_prefix(e, code, "everything is as it was before, and clients are let in");
}

/* The server may be on its way down, or up: a start command would be lost, or make a second server
 * that waits for the files. Once it was stopped it is known where it stands. If it cannot be held,
 * it runs, and then that is looked at. */
static void stand_still(struct restore *r)
{
    struct err e = {0};
    if (restore_block(r, &e) < 0 || (restore_database(r) && restore_database_stop(r, &e) < 0))
        run_tell(&e);
}

/*
 * A mid-way swap goes to the side that was live before: that one is known to work. Once all was
 * swapped, the new side gets its chance.
 */
int restore_recover(struct restore *r, struct err *e)
{
    int code = 0;
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
        run_tell_of(e, "what was restored does not start and is being undone");
        return go_back(r, e);
    case RESTORE_BLOCKED:
        stand_still(r);
        return go_back(r, e);
    default:
        code = r->beside ? restore_block(r, e) : 0; /* else the server stands still */
        return code == 0 ? go_back(r, e) : code;
    }
}
