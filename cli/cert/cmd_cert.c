/*
 * elexgate cert: certificates made, installed, renewed. This file takes the options and calls the
 * subcommand.
 */
#include "cli/cert/cmd_cert.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct cert_sub *const groups[] = {cert_subs_make, cert_subs_install, cert_subs_renew,
    cert_subs_back, cert_subs_show, cert_subs_client, cert_subs_export};

struct option_row {
    const char *name;
    enum cert_option group;
    enum { TAKES_NOTHING, TAKES_TEXT, TAKES_DAYS, TAKES_HOST, TAKES_IP, TAKES_PERMIT } kind;
    size_t offset; /* in struct cert_args */
};

#define AT(member) offsetof(struct cert_args, member)
static const struct option_row rows[] = {
    {"dir", CERT_DIR, TAKES_TEXT, AT(dir)},
    {"host", CERT_HOST, TAKES_HOST, 0},
    {"ip", CERT_HOST, TAKES_IP, 0},
    {"rsa", CERT_KEY_KIND, TAKES_NOTHING, AT(rsa)},
    {"ed25519", CERT_KEY_KIND, TAKES_NOTHING, AT(ed25519)},
    {"force", CERT_FORCE, TAKES_NOTHING, AT(force)},
    {"days", CERT_DAYS, TAKES_DAYS, AT(days)},
    {"name", CERT_SUBJECT, TAKES_TEXT, AT(name)},
    {"country", CERT_SUBJECT, TAKES_TEXT, AT(country)},
    {"canton", CERT_SUBJECT, TAKES_TEXT, AT(canton)},
    {"place", CERT_SUBJECT, TAKES_TEXT, AT(place)},
    {"organisation", CERT_SUBJECT, TAKES_TEXT, AT(organisation)},
    {"department", CERT_SUBJECT, TAKES_TEXT, AT(department)},
    {"permit", CERT_PERMIT, TAKES_PERMIT, 0},
    {"no-constraints", CERT_PERMIT, TAKES_NOTHING, AT(no_constraints)},
    {"encrypt-ca", CERT_CA_DAYS, TAKES_NOTHING, AT(encrypt_ca)},
    {"ca-days", CERT_CA_DAYS, TAKES_DAYS, AT(ca_days)},
    {"ca-key", CERT_CA_KEY, TAKES_TEXT, AT(ca_key)},
    {"ca-passphrase-file", CERT_CA_KEY, TAKES_TEXT, AT(ca_passphrase_file)},
    {"out", CERT_OUT, TAKES_TEXT, AT(out)},
    {"passphrase-file", CERT_PASSPHRASE, TAKES_TEXT, AT(passphrase_file)},
    {"no-reload", CERT_RELOAD, TAKES_NOTHING, AT(no_reload)},
    {"new-ca", CERT_NEW_CA, TAKES_NOTHING, AT(new_ca)},
    {"if-needed", CERT_IF_NEEDED, TAKES_NOTHING, AT(if_needed)},
    {"allow-no-san", CERT_NO_SAN, TAKES_NOTHING, AT(allow_no_san)},
    {"check", CERT_CHECK, TAKES_NOTHING, AT(check)},
    {"other-names", CERT_OTHER_NAMES, TAKES_NOTHING, AT(other_names)},
    {"trust", CERT_TRUST, TAKES_TEXT, AT(trust)},
    {"owner", CERT_OWNER, TAKES_TEXT, AT(owner)},
    {"old-format", CERT_OLD_FORMAT, TAKES_NOTHING, AT(old_format)},
    {"for", CERT_FOR, TAKES_TEXT, AT(target)},
    {"port", CERT_FOR, TAKES_TEXT, AT(port)},
    {"database", CERT_FOR, TAKES_TEXT, AT(database)},
    {"lang", CERT_FOR, TAKES_TEXT, AT(lang)},
};

static const struct option_row *find_row(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strlen(rows[i].name) == len && strncmp(rows[i].name, name, len) == 0)
            return &rows[i];
    return NULL;
}

static int take_days(struct cert_run *run, const char *name, const char *value, int *out)
{
    char *end;
    long n = strtol(value, &end, 10);
    if (*end != '\0' || end == value || n < 1 || n > 10000)
        return cli_usage(run->cli, "--%s takes a number of days from 1 to 10000", name);
    *out = (int)n;
    return EXIT_GOOD;
}

static int take_value(struct cert_run *run, const struct option_row *row, const char *value)
{
    char *base = (char *)&run->args;
    struct err e = {0};
    int r = 0;
    switch (row->kind) {
    case TAKES_NOTHING:
        *(bool *)(void *)(base + row->offset) = true;
        break;
    case TAKES_TEXT:
        *(const char **)(void *)(base + row->offset) = value;
        break;
    case TAKES_DAYS:
        return take_days(run, row->name, value, (int *)(void *)(base + row->offset));
    case TAKES_HOST:
        r = cert_names_add_host(&run->args.names, value, &e);
        break;
    case TAKES_IP:
        r = cert_names_add_ip(&run->args.names, value, &e);
        break;
    case TAKES_PERMIT:
        names_add(&run->args.permit, value);
        break;
    }
    return r < 0 ? cli_usage(run->cli, "%s", e.text) : EXIT_GOOD;
}

/* Takes one option at argv[*at]; moves *at to its last word. */
static int take_option(
    struct cert_run *run, const struct cert_sub *sub, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t len = strcspn(name, "=");
    const struct option_row *row = find_row(name, len);
    if (row == NULL || (row->group & sub->options) == 0)
        return cli_usage(run->cli, "%s does not take the option --%.*s", sub->name, (int)len, name);
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    if (row->kind == TAKES_NOTHING && value != NULL)
        return cli_usage(run->cli, "--%s takes no value", row->name);
    if (row->kind != TAKES_NOTHING && value == NULL) {
        if (*at + 1 >= argc)
            return cli_usage(run->cli, "--%s needs a value", row->name);
        value = argv[++*at];
    }
    return take_value(run, row, value);
}

static int take_arguments(struct cert_run *run, const struct cert_sub *sub, int argc, char **argv)
{
    bool only_words = false;
    run->argv = xcalloc((size_t)argc + 1, sizeof *run->argv);
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && strncmp(argv[i], "--", 2) == 0) {
            int code = take_option(run, sub, argc, argv, &i);
            if (code != EXIT_GOOD)
                return code;
        } else {
            run->argv[run->argc++] = argv[i];
        }
    }
    if (run->argc < sub->min_args)
        return cli_usage(run->cli, "%s: an argument is missing", sub->name);
    if (run->argc > sub->max_args) {
        return cli_usage(run->cli, "%s does not know what to do with \"%s\"", sub->name,
            run->argv[sub->max_args]);
    }
    return EXIT_GOOD;
}

static const struct cert_sub *find_sub(const char *name)
{
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        for (const struct cert_sub *s = groups[g]; s->name != NULL; s++)
            if (strcmp(s->name, name) == 0)
                return s;
    }
    return NULL;
}

static int run_cert(struct cli *cli, int argc, char **argv)
{
    if (argc < 2)
        return cli_usage(cli, "what shall be done? for example: elexgate cert show");
    const struct cert_sub *sub = find_sub(argv[1]);
    if (sub == NULL)
        return cli_usage(cli, "there is no subcommand \"%s\"", argv[1]);
    struct cert_run run = {.cli = cli,
        .sub = sub->name,
        .options = sub->options,
        .now = time(NULL),
        .store = {.lock_fd = -1}};
    /* The proxy's user must be able to pass through the folders, whatever root's umask is; secrets
     * get their modes one by one. */
    umask(022);
    int code = take_arguments(&run, sub, argc - 2, argv + 2);
    if (code == EXIT_GOOD)
        code = sub->run(&run);
    cert_store_close(&run.store);
    cert_names_clear(&run.args.names);
    names_clear(&run.args.permit);
    free(run.proxy_socket);
    free(run.argv);
    return code;
}

const struct command cmd_cert = {
    "cert",
    "SUBCOMMAND [OPTIONS]",
    N_("make, install, renew and show certificates"),
    run_cert,
    (const struct help_line[]){
        {"init --host NAME …", N_("make a private CA and the server's certificate")},
        {"  [--ip ADDRESS] [--rsa | --ed25519] [--days N] [--encrypt-ca] [--permit NAME|NETWORK] [--no-constraints] [--ca-days N] [--force]",
            N_("and the subject's fields below")},
        {"self-signed --host NAME …", N_("make one that signs itself")},
        {"  [--name NAME] [--country CH] [--canton BE] [--place X] [--organisation X] [--department X]",
            NULL},
        {"csr --host NAME …", N_("make a request, to be signed elsewhere; its key waits here")},
        {"sign REQUEST --out FILE", N_("sign one with the CA, also on a machine of its own")},
        {"install FILE …", N_("take certificate, key, chain: PEM, DER or PKCS#12, in any order")},
        {"  [--passphrase-file FILE] [--trust ROOT] [--allow-no-san] [--other-names]", NULL},
        {"  [--check]", N_("say what it would mean for the workstations, change nothing")},
        {"renew [--if-needed] [--host NAME]", N_("make a new certificate and key from the CA")},
        {"  [--new-ca [--ca-days N]]",
            N_("from the CA's successor, which the old one signs as well")},
        {"back", N_("put the certificate before the present one back")},
        {"show [FILE], fingerprint [FILE]", N_("print what is in it, or its fingerprint")},
        {"client NAME [--old-format]", N_("make a workstation's certificate, as PEM and PKCS#12")},
        {"revoke NAME|SERIAL, crl", N_("take one back; write the revocation list")},
        {"export --for package|jdbc|windows|macos|linux|webelexis",
            N_("write files and instructions for workstations; package: all of it in one ZIP")},
        {"  [--out DIR] [--host NAME] [--port N] [--database NAME] [--lang de|fr|it|en]", NULL},
        {"--dir DIR", N_("the folder; else that of [tls] certificate in the configuration")},
        {"--ca-key FILE", N_("the CA's key where it is kept elsewhere")},
        {"--ca-passphrase-file FILE", N_("file with the passphrase of the CA's key")},
        {"--owner USER",
            N_("who gets the server's key, when root runs this; else the present key's owner, else the group elexgate-tls or the user elexgate where there is one")},
        {"--no-reload", N_("do not tell the proxy")},
        {NULL, N_("See elexgate-cert(1).")},
        {0},
    },
    "init self-signed csr sign install renew back show fingerprint client revoke crl export",
};
