/*
 * elexgate metrics: what Prometheus is to collect, also where no console runs.
 */
#include <stdio.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "common/json_get.h"
#include "common/metrics_text.h"
#include "link/control.h"

#define TIMEOUT_MS 5000

/* NULL if it does not answer: that is a metric, not a failure. */
static json_t *ask(const struct config *c, const char *section)
{
    return control_status(config_str(c, section, NULL, "control_socket"), TIMEOUT_MS, NULL);
}

static int run_metrics(struct cli *cli, int argc, char **argv)
{
    int code = args_parse(cli, argc, argv, NULL, 0, 0, NULL);
    const struct config *c = code == EXIT_GOOD ? cli_config(cli) : NULL;
    if (!c)
        return code != EXIT_GOOD ? code : EXIT_FAILED;
    _cleanup_json_ json_t *proxy = ask(c, "proxy"), *keeper = ask(c, "backup");
    if (cli->json) {
        cli_print_new(json_pack("{s:O?, s:O?}", "proxy", proxy, "keeper", keeper));
    } else {
        _cleanup_free_ char *text = metrics_text(proxy, keeper);
        fputs(text, stdout);
    }
    return EXIT_GOOD;
}

const struct command cmd_metrics = {
    "metrics",
    "",
    N_("print the metrics of gate and keeper"),
    run_metrics,
    (const struct help_line[]){
        {NULL,
            N_("Prometheus' text format, for its node exporter's text collector or a script; the console serves the same at /metrics.")},
        {NULL, N_("A program that does not answer is elexgate_up 0.")},
        {0},
    },
};
