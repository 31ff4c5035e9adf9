/*
 * elexgate doctor: is everything as it should be? Each line says what to do.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/doctor/doctor.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/error_phrase.h"
#include "common/json_get.h"
#include "common/lang.h"

/* The plugin interface of Nagios, Icinga, checkmk. */
enum { NAGIOS_OK, NAGIOS_WARNING, NAGIOS_CRITICAL, NAGIOS_UNKNOWN };

void doctor_tell(
    struct doctor *d, enum doctor_level level, const char *name, const char *text, const char *fix)
{
    static const char *const words[] = {"ok", "warning", "critical"};
    const char *marks[] = {"ok", tr(d->cli, "WARN"), tr(d->cli, "BAD")};
    d->good += level == DOCTOR_GOOD;
    d->warnings += level == DOCTOR_WARNING;
    d->criticals += level == DOCTOR_CRITICAL;
    if (level != DOCTOR_GOOD &&
        (!d->worst || (level == DOCTOR_CRITICAL && !d->worst_is_critical))) {
        free(d->worst);
        d->worst = xstrdup(text);
        d->worst_is_critical = level == DOCTOR_CRITICAL;
    }
    if (d->nagios)
        return;
    if (d->cli->json) {
        cli_print_new(json_pack("{s:s, s:s, s:b, s:s, s:s, s:s*}", "event", "check", "name", name,
            "good", level == DOCTOR_GOOD, "level", words[level], "text", text, "fix",
            level == DOCTOR_GOOD ? NULL : fix));
        return;
    }
    printf("%-7s %s\n", marks[level], text);
    if (level != DOCTOR_GOOD && fix && *fix)
        printf("        -> %s\n", fix);
}

void doctor_tell_err(struct doctor *d, enum doctor_level level, const char *name,
    const struct err *e, const char *fix)
{
    _cleanup_free_ char *words = error_phrase_words(d->cli->lang, e), *safe = output_safe(words);
    doctor_tell(d, level, name, safe, fix);
}

/* A line of elexgate-job doctor. */
static void on_doctor_line(void *ctx, const json_t *line)
{
    struct doctor *d = ctx;
    const char *event = json_get_str(line, "event");
    if (!event)
        return; /* the last line; the end is told for both halves together */
    if (strcmp(event, "grant") == 0 && d->cli->json && !d->nagios) {
        cli_print_json(line);
    } else if (strcmp(event, "grant") == 0 && !d->nagios) {
        _cleanup_free_ char *statement = output_member(line, "statement");
        printf("\n%s\n  %s;\n\n", tr(d->cli, "The keeper's account needs these privileges:"),
            statement);
    } else if (strcmp(event, "check") == 0) {
        const char *level = json_get_text(line, "level");
        bool good = json_get_true(line, "good");
        _cleanup_free_ char *name = output_member(line, "name");
        _cleanup_free_ char *text = output_words(d->cli->lang, line, "text");
        _cleanup_free_ char *fix = output_words(d->cli->lang, line, "fix");
        if (strcmp(name, "proxy") == 0 && d->proxy_told)
            return;
        doctor_tell(d,
            good                            ? DOCTOR_GOOD
            : strcmp(level, "warning") == 0 ? DOCTOR_WARNING
                                            : DOCTOR_CRITICAL,
            name, text, fix);
    }
}

static int nagios_line(const struct doctor *d)
{
    const char *word = d->criticals ? "CRITICAL" : d->warnings ? "WARNING" : "OK";
    printf("ELEXGATE %s - %s | good=%u warning=%u critical=%u\n", word,
        d->worst ? d->worst : tr(d->cli, "all is well"), d->good, d->warnings, d->criticals);
    return d->criticals ? NAGIOS_CRITICAL : d->warnings ? NAGIOS_WARNING : NAGIOS_OK;
}

static int tell_end(const struct doctor *d, int job)
{
    if (d->nagios)
        return nagios_line(d);
    int code = d->criticals ? EXIT_FAILED : job;
    if (d->cli->json) {
        cli_print_new(json_pack("{s:b, s:b, s:i, s:i, s:i, s:i}", "done", 1, "ok",
            code == EXIT_GOOD, "exit", code, "critical", (int)d->criticals, "warnings",
            (int)d->warnings, "good", (int)d->good));
    } else
        printf(
            tr(d->cli, "\n%u good, %u to look at, %u bad\n"), d->good, d->warnings, d->criticals);
    return code;
}

static int run_doctor(struct cli *cli, int argc, char **argv)
{
    static const char *const job_args[] = {"doctor", NULL};
    struct doctor d = {.cli = cli};
    const struct args_option options[] = {{"--nagios", .flag = &d.nagios}, {0}};
    int code = args_parse(cli, argc, argv, options, 0, 0, NULL);
    if (code != EXIT_GOOD)
        return code;
    if (!cli_config(cli)) {
        if (d.nagios)
            printf("ELEXGATE UNKNOWN - the configuration cannot be read\n");
        return d.nagios ? NAGIOS_UNKNOWN : EXIT_FAILED;
    }
    _cleanup_free_ char *text = xasprintf(
        tr(cli, "the configuration %s is good"), config_path(cli->config));
    doctor_tell(&d, DOCTOR_GOOD, "config", text, NULL);
    doctor_look_at_gate(&d);
    doctor_tls(&d);
    doctor_keeper(&d);
    fflush(stdout);
    int job = job_stream_run(cli, job_args, on_doctor_line, &d);
    if (job != EXIT_GOOD && d.criticals == 0) /* it could not even begin, and has said so */
        doctor_tell(&d, DOCTOR_CRITICAL, "job", N_("elexgate-job doctor could not look"), "");
    code = tell_end(&d, job);
    json_decref(d.proxy);
    json_decref(d.keeper);
    free(d.worst);
    return code;
}

const struct command cmd_doctor = {
    "doctor",
    "[--nagios]",
    N_("check everything: programs, TLS, account, disk, last backup and drill, who goes past the gate"),
    run_doctor,
    (const struct help_line[]){
        {NULL, N_("Each line that is not ok says what to do.")},
        {NULL,
            N_("Exit code 0: nothing is bad (there may be things to look at), 1: something is. --nagios prints one line and ends with 0 for ok, 1 for warning, 2 for critical and 3 for unknown, as Nagios, Icinga and checkmk want it.")},
        {0},
    },
};
