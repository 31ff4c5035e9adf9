#include "proxy/args.h"

#include <getopt.h>
#include <stdio.h>

static void usage(FILE *out)
{
    fputs("usage: elexgate-proxy [--config FILE]\n\n"
          "Terminates TLS for MariaDB clients and forwards them to the plaintext server.\n\n"
          "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
          "      --check        check the configuration and the certificate, then exit\n"
          "  -h, --help         this text\n"
          "  -V, --version      the version\n\n"
          "Signals: SIGHUP reads configuration and certificate again; SIGTERM lets sessions end\n"
          "for [proxy] drain_timeout; a second SIGTERM ends them. See elexgate-proxy(8).\n",
        out);
}

int args_parse(int argc, char **argv, const char **config_path, bool *check)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'}, {0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
        switch (c) {
        case 'c':
            *config_path = optarg;
            break;
        case 'k':
            *check = true;
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
