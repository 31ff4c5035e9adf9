#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/utf8.h"
#include "common/json_get.h"
#include "common/shown.h"

#define BAR_WIDTH 24

void progress_init(struct progress *p, struct cli *cli)
{
    memset(p, 0, sizeof *p);
    p->cli = cli;
    p->raw = cli->json;
    p->terminal = isatty(STDOUT_FILENO);
}

static const char *phase_name(const struct cli *cli, const char *phase)
{
    static const struct {
        const char *phase, *words;
    } names[] = {
        {"settle", N_("waiting for the server to settle")},
        {"hold", N_("taking the lock")},
        {"copy", N_("copying")},
        {"checksums", N_("counting tables")},
        {"verify", N_("reading back")},
        {"publish", N_("publishing")},
        {"extract", N_("unpacking")},
        {"image", N_("unpacking the image")},
        {"upgrade", N_("bringing the data up to the newer series (mariadb-upgrade)")},
        {"boot", N_("starting a test server")},
        {"import", N_("importing")},
        {"count", N_("counting what is there now")},
        {"check", N_("checking all tables")},
        {"hook", N_("running the hook")},
        {"read", N_("reading the file")},
        {"carry", N_("carrying other databases and accounts over")},
        {"block", N_("keeping clients out")},
        {"stop", N_("stopping the server")},
        {"swap", N_("changing the folders")},
        {"start", N_("starting the server")},
        {"look", N_("looking at all tables")},
        {"open", N_("letting clients in")},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(phase, names[i].phase) == 0)
            return tr(cli, names[i].words);
    return phase;
}

void progress_clear(struct progress *p)
{
    if (p->bar_open)
        fputs("\r\033[K", stdout);
    p->bar_open = false;
}

static void draw(struct progress *p, const json_t *line)
{
    if (!p->terminal)
        return;
    int64_t bytes = output_number(line, "bytes", 0), total = output_number(line, "total", 0);
    int64_t eta = output_number(line, "eta_ms", -1), rate = output_number(line, "bytes_s", 0);
    char size[SHOWN_LEN], speed[SHOWN_LEN], left[SHOWN_LEN] = "", bar[BAR_WIDTH + 1];
    bool known = total > 0;
    size_t filled = known ? (size_t)((double)bytes / (double)total * BAR_WIDTH) : 0;
    filled = filled > BAR_WIDTH ? BAR_WIDTH : filled;
    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', filled);
    bar[BAR_WIDTH] = '\0';
    if (eta >= 0)
        shown_duration(p->cli->lang, eta, left, sizeof left);
    _cleanup_free_ char *type = output_member(line, "type"), *phase = output_member(line, "phase");
    progress_clear(p);
    if (known)
        printf("%s: %s [%s] %3d%%  %s  %s/s  %s", type, phase_name(p->cli, phase), bar,
            (int)(bytes > total ? 100 : (double)bytes * 100 / (double)total),
            shown_bytes(p->cli->lang, (uint64_t)bytes, size, sizeof size),
            shown_bytes(p->cli->lang, (uint64_t)rate, speed, sizeof speed), left);
    else
        printf("%s: %s  %s  %s/s", type, phase_name(p->cli, phase),
            shown_bytes(p->cli->lang, (uint64_t)bytes, size, sizeof size),
            shown_bytes(p->cli->lang, (uint64_t)rate, speed, sizeof speed));
    fflush(stdout);
    p->bar_open = true;
}

static void tell_phase(struct progress *p, const json_t *line)
{
    _cleanup_free_ char *type = output_member(line, "type"), *phase = output_member(line, "phase");
    progress_clear(p);
    printf("%s: %s ...%s", type, phase_name(p->cli, phase), p->terminal ? "" : "\n");
    fflush(stdout);
    p->bar_open = p->terminal;
}

static void tell_archive(struct progress *p, const json_t *line)
{
    char size[SHOWN_LEN];
    progress_clear(p);
    _cleanup_free_ char *file = output_member(line, "file"), *state = output_member(line, "state");
    printf("%s  %s, %s\n", file,
        shown_bytes(p->cli->lang, (uint64_t)output_number(line, "size", 0), size, sizeof size),
        state);
}

static void tell_removal(struct progress *p, const json_t *line, const char *what)
{
    _cleanup_free_ char *type = output_member(line, "type"), *run = output_member(line, "run");
    progress_clear(p);
    printf("%s %s_%s\n", what, type, run);
}

static void tell_state(struct progress *p, const json_t *line)
{
    _cleanup_free_ char *words = output_words(p->cli->lang, line, "words");
    if (strcmp(json_get_text(line, "state"), "waiting") != 0 || strcmp(words, p->waiting) == 0)
        return;
    utf8_copy(p->waiting, sizeof p->waiting, words);
    progress_clear(p);
    printf("%s%s%s\n", tr(p->cli, "waiting until the database is idle"), *words ? ": " : "", words);
}

static void tell_done(struct progress *p, const json_t *line)
{
    progress_clear(p);
    if (json_get_true(line, "ok")) {
        printf("%s\n", tr(p->cli, "Done."));
        return;
    }
    fflush(stdout);
    _cleanup_free_ char *error = output_words(p->cli->lang, line, "error");
    fprintf(stderr, "elexgate: %s\n", error);
}

void progress_line(void *ctx, const json_t *line)
{
    struct progress *p = ctx;
    if (p->raw) {
        cli_print_json(line);
        return;
    }
    const char *event = json_get_text(line, "event");
    if (json_get_true(line, "done")) {
        tell_done(p, line);
    } else if (strcmp(event, "progress") == 0) {
        draw(p, line);
    } else if (strcmp(event, "phase") == 0) {
        tell_phase(p, line);
    } else if (strcmp(event, "archive") == 0) {
        tell_archive(p, line);
    } else if (strcmp(event, "state") == 0) {
        tell_state(p, line);
    } else if (strcmp(event, "again") == 0) {
        progress_clear(p);
        _cleanup_free_ char *reason = output_words(p->cli->lang, line, "reason");
        printf("%s: %s\n", tr(p->cli, "once more"), reason);
    } else if (strcmp(event, "note") == 0 || strcmp(event, "drill") == 0 ||
               strcmp(event, "chain") == 0) {
        progress_clear(p);
        _cleanup_free_ char *words = output_words(p->cli->lang, line, "text"),
                            *type = output_member(line, "type");
        printf("%s%s%s\n", type, *type ? ": " : "", words);
    } else if (strcmp(event, "would-remove") == 0) {
        tell_removal(p, line, tr(p->cli, "would remove the old"));
    } else if (strcmp(event, "removed") == 0) {
        tell_removal(p, line, tr(p->cli, "removed the old"));
    } else if (strcmp(event, "start") == 0 && json_get_true(line, "dry_run")) {
        char needed[SHOWN_LEN], space[SHOWN_LEN];
        printf(tr(p->cli, "Would need about %s, %s are free.\n"),
            shown_bytes(
                p->cli->lang, (uint64_t)output_number(line, "needed", 0), needed, sizeof needed),
            shown_bytes(
                p->cli->lang, (uint64_t)output_number(line, "free", 0), space, sizeof space));
    }
}

struct telling {
    struct progress progress;
    progress_tell_fn *tell;
    void *ctx;
};

static void on_told_line(void *ctx, const json_t *line)
{
    struct telling *t = ctx;
    bool bar = strcmp(json_get_text(line, "event"), "progress") == 0;
    if (!t->progress.raw && !bar) {
        progress_clear(&t->progress);
        if (t->tell(t->progress.cli, line, t->ctx))
            return;
    }
    progress_line(&t->progress, line);
}

int progress_run(struct cli *cli, const char *const *args, progress_tell_fn *tell, void *ctx)
{
    struct telling t = {.tell = tell, .ctx = ctx};
    progress_init(&t.progress, cli);
    return job_stream_run(cli, args, on_told_line, &t);
}

bool progress_good_end(const json_t *line)
{
    return json_get_true(line, "done") && json_get_true(line, "ok");
}
