#include "cli/status_backup.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/output.h"
#include "common/clock.h"
#include "common/json_get.h"
#include "common/shown.h"
#include "link/control.h"

#define TIMEOUT_MS 3000

json_t *status_backup_ask(struct cli *cli)
{
    const struct config *c = cli_config(cli);
    json_t *answer = c ? control_status(
                             config_str(c, "backup", NULL, "control_socket"), TIMEOUT_MS, NULL)
                       : NULL;
    return answer ? answer : json_null();
}

static void print_now(FILE *f, const struct cli *cli, const json_t *keeper, const char *label)
{
    const json_t *job = json_object_get(keeper, "job"),
                 *pending = json_object_get(keeper, "pending");
    char since[SHOWN_LEN];
    if (json_is_object(job)) {
        _cleanup_free_ char *kind = output_member(job, "kind"),
                            *phase = output_member(job, "phase");
        fprintf(f, tr(cli, "%-13s running: %s %s\n"), label, kind, phase);
    } else if (json_is_object(pending)) {
        _cleanup_free_ char *words = output_words(cli->lang, pending, "words");
        fprintf(f, tr(cli, "%-13s due since %s, waits: %s\n"), label,
            cli_time(cli, pending, "due", SHOWN_MOMENT, "?", since), words);
    } else {
        const json_t *schedule = json_object_get(keeper, "schedule");
        fprintf(f, tr(cli, "%-13s next: %s\n"), label,
            cli_time(cli, schedule, "next", SHOWN_MOMENT, tr(cli, "never by itself"), since));
    }
}

static void print_last(FILE *f, const struct cli *cli, const json_t *keeper)
{
    const json_t *good = json_object_get(keeper, "last_good_backup");
    const json_t *drill = json_object_get(keeper, "last_drill");
    const char *never = tr(cli, "never");
    char when[SHOWN_LEN], proven[SHOWN_LEN];
    bool drilled = output_number(drill, "exit", 1) == 0;
    fprintf(f, tr(cli, "%-13s last good one: %s, last drill that succeeded: %s\n"), "",
        cli_time(cli, good, "started", SHOWN_MOMENT, never, when),
        drilled ? cli_time(cli, drill, "started", SHOWN_MOMENT, never, proven) : never);
}

static void print_binlog(FILE *f, const struct cli *cli, const json_t *keeper)
{
    const json_t *binlog = json_object_get(keeper, "binlog");
    int64_t saved = 0;
    char ago[40];
    const char *label = tr(cli, "Every second");
    if (!json_is_object(binlog))
        return;
    bool known = clock_parse(json_get_text(binlog, "saved"), &saved) == 0;
    int64_t age = known ? clock_wall_ms() - saved : 0;
    shown_duration(cli->lang, age, ago, sizeof ago);
    if (strcmp(json_get_text(binlog, "state"), "following") == 0)
        fprintf(f, tr(cli, "%-13s saved up to %s ago\n"), label, ago);
    else {
        char when[SHOWN_LEN] = "";
        _cleanup_free_ char *error = output_member(binlog, "error");
        shown_time(cli->lang, saved, SHOWN_WHEN, when, sizeof when);
        fprintf(f, tr(cli, "%-13s STANDS STILL%s%s: %s\n"), label,
            known ? tr(cli, ", saved up to ") : "", known ? when : "", error);
    }
}

static void print_chain(FILE *f, const struct cli *cli, const json_t *keeper)
{
    const json_t *chain = json_object_get(keeper, "last_chain");
    const json_t *proof = json_array_get(json_object_get(chain, "proofs"), 0);
    char since[SHOWN_LEN], until[SHOWN_LEN];
    if (output_number(chain, "exit", 1) != 0 || !proof) /* what is wrong is a finding */
        return;
    fprintf(f, tr(cli, "%-13s any second from %s to %s is proven\n"), "",
        cli_time(cli, proof, "since", SHOWN_SECOND, "?", since),
        cli_time(cli, proof, "until", SHOWN_SECOND, "?", until));
}

void status_backup_print(FILE *f, const struct cli *cli, const json_t *keeper)
{
    const char *label = tr(cli, "Backup");
    if (!json_is_object(keeper)) {
        fprintf(f, tr(cli, "%-13s elexgate-keeper is not running\n"), label);
        return;
    }
    print_now(f, cli, keeper, label);
    print_last(f, cli, keeper);
    print_binlog(f, cli, keeper);
    print_chain(f, cli, keeper);
    const json_t *finding;
    size_t i;
    json_array_foreach (json_object_get(keeper, "findings"), i, finding) {
        const char *level = json_get_text(finding, "level");
        _cleanup_free_ char *text = output_words(cli->lang, finding, "text");
        fprintf(f, "%-13s %s\n",
            strcmp(level, "bad") == 0    ? tr(cli, "BAD")
            : strcmp(level, "hint") == 0 ? tr(cli, "HINT")
                                         : tr(cli, "WARNING"),
            text);
    }
}
