#include "proxy/args.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void usage(FILE *out)
{
    fputs(
        "usage: elexgate-proxy [--config FILE] [--takeover]\n\n"
        "Terminates TLS for MariaDB clients and forwards them to the plaintext server.\n\n"
        "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
        "      --check        check the configuration and the certificate, then exit\n"
        "      --takeover     take over from the running process, whose sessions live on; without\n"
        "                     one start as always (`elexgate upgrade` does this for you)\n"
        "  -h, --help         this text\n"
        "  -V, --version      the version\n\n"
        "Signals: SIGHUP reads configuration and certificate again; SIGTERM lets sessions end\n"
        "for [proxy] drain_timeout; a second SIGTERM ends them. See elexgate-proxy(8).\n",
        out);
}

int args_parse(int argc, char **argv, struct args *a)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'}, {"takeover", no_argument, NULL, 't'},
        {"takeover-fd", required_argument, NULL, 'f'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'}, {0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
        switch (c) {
        case 'c':
            a->config_path = optarg;
            break;
        case 'k':
            a->check = true;
            break;
        case 't':
            a->takeover = true;
            break;
        case 'f': /* from handover.c, never from a person */
            a->takeover_fd = atoi(optarg);
            break;
        case 'h':
            usage(stdout);
            return 1;
        case 'V':
            puts("elexgate-proxy " ELEXGATE_VERSION);
            return 1;
        default:
            usage(stderr);
            return -1;
        }
    if (optind < argc) {
        fprintf(stderr, "elexgate-proxy: unexpected argument \"%s\"\n", argv[optind]);
        return -1;
    }
    return 0;
}
