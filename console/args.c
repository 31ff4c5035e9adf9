#include "console/args.h"

#include <getopt.h>
#include <stdio.h>

static void usage(FILE *out)
{
    fputs("usage: elexgate-console [--config FILE] [--assets DIR]\n\n"
          "The admin's page: HTTPS, by default https://localhost:8312/.\n\n"
          "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
          "      --assets DIR   read pages, texts and assets from this folder at each request,\n"
          "                     e.g. console/ of the sources; for those who work on them\n"
          "  -h, --help         this text\n"
          "  -V, --version      the version\n\n"
          "Signals: SIGHUP reads configuration and certificate again, SIGTERM ends it.\n"
          "See elexgate-console(8).\n",
        out);
}

int args_parse(int argc, char **argv, struct args *out)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
        {"assets", required_argument, NULL, 'a'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'}, {0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:hV", options, NULL)) != -1)
        switch (c) {
        case 'c':
            out->config = optarg;
            break;
        case 'a':
            out->assets = optarg;
            break;
        case 'h':
            usage(stdout);
            return 1;
        case 'V':
            puts("elexgate-console " ELEXGATE_VERSION);
            return 1;
        default:
            usage(stderr);
            return -1;
        }
    if (optind < argc) {
        fprintf(stderr, "elexgate-console: unexpected argument \"%s\"\n", argv[optind]);
        return -1;
    }
    return 0;
}
