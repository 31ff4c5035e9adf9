/*
 * elexgate cert: certificates made, installed, renewed. This file takes the options and calls the
 * subcommand.
 */
#include "cli/cert/cmd_cert.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const struct cert_sub *const groups[] = {cert_subs_make, cert_subs_install, cert_subs_renew,
    cert_subs_page, cert_subs_back, cert_subs_show, cert_subs_client, cert_subs_export};

static int take_days(void *ctx, const char *name, const char *value)
{
    struct cert_run *run = ctx;
    char *end;
    long n = strtol(value, &end, 10);
    if (*end != '\0' || end == value || n < 1 || n > 10000)
        return cli_usage(run->cli, "%s takes a number of days from 1 to 10000", name);
    *(strcmp(name, "--days") == 0 ? &run->args.days : &run->args.ca_days) = (int)n;
    return EXIT_GOOD;
}

static int take_name(void *ctx, const char *name, const char *value)
{
    struct cert_run *run = ctx;
    struct err e = {0};
    int r = strcmp(name, "--ip") == 0 ? cert_names_add_ip(&run->args.names, value, &e)
                                      : cert_names_add_host(&run->args.names, value, &e);
    return r < 0 ? cli_usage(run->cli, "%s", err_words(&e)) : EXIT_GOOD;
}

static int take_permit(void *ctx, const char *name, const char *value)
{
    struct cert_run *run = ctx;
    (void)name;
    names_add(&run->args.permit, value);
    return EXIT_GOOD;
}

static int take_arguments(struct cert_run *run, const struct cert_sub *sub, int argc, char **argv)
{
    struct cert_args *a = &run->args;
    const struct {
        enum cert_option group;
        struct args_option option;
    } rows[] = {
        {CERT_DIR, {"--dir=", &a->dir}},
        {CERT_HOST, {"--host=", .take = take_name, .ctx = run}},
        {CERT_HOST, {"--ip=", .take = take_name, .ctx = run}},
        {CERT_KEY_KIND, {"--rsa", .flag = &a->rsa}},
        {CERT_KEY_KIND, {"--ed25519", .flag = &a->ed25519}},
        {CERT_FORCE, {"--force", .flag = &a->force}},
        {CERT_DAYS, {"--days=", .take = take_days, .ctx = run}},
        {CERT_SUBJECT, {"--name=", &a->name}},
        {CERT_SUBJECT, {"--country=", &a->country}},
        {CERT_SUBJECT, {"--canton=", &a->canton}},
        {CERT_SUBJECT, {"--place=", &a->place}},
        {CERT_SUBJECT, {"--organisation=", &a->organisation}},
        {CERT_SUBJECT, {"--department=", &a->department}},
        {CERT_PERMIT, {"--permit=", .take = take_permit, .ctx = run}},
        {CERT_PERMIT, {"--no-constraints", .flag = &a->no_constraints}},
        {CERT_CA_DAYS, {"--encrypt-ca", .flag = &a->encrypt_ca}},
        {CERT_CA_DAYS, {"--ca-days=", .take = take_days, .ctx = run}},
        {CERT_CA_KEY, {"--ca-key=", &a->ca_key}},
        {CERT_CA_KEY, {"--ca-passphrase-file=", &a->ca_passphrase_file}},
        {CERT_OUT, {"--out=", &a->out}},
        {CERT_PASSPHRASE, {"--passphrase-file=", &a->passphrase_file}},
        {CERT_RELOAD, {"--no-reload", .flag = &a->no_reload}},
        {CERT_NEW_CA, {"--new-ca", .flag = &a->new_ca}},
        {CERT_IF_NEEDED, {"--if-needed", .flag = &a->if_needed}},
        {CERT_NO_SAN, {"--allow-no-san", .flag = &a->allow_no_san}},
        {CERT_CHECK, {"--check", .flag = &a->check}},
        {CERT_OTHER_NAMES, {"--other-names", .flag = &a->other_names}},
        {CERT_TRUST, {"--trust=", &a->trust}},
        {CERT_OWNER, {"--owner=", &a->owner}},
        {CERT_OLD_FORMAT, {"--old-format", .flag = &a->old_format}},
        {CERT_FOR, {"--for=", &a->target}},
        {CERT_FOR, {"--port=", &a->port}},
        {CERT_FOR, {"--database=", &a->database}},
        {CERT_FOR, {"--lang=", &a->lang}},
    };
    struct args_option options[sizeof rows / sizeof rows[0] + 1] = {0};
    size_t n = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].group & sub->options)
            options[n++] = rows[i].option;
    run->argv = xcalloc((size_t)sub->max_args + 1, sizeof *run->argv);
    int code = args_parse(run->cli, argc, argv, options, sub->min_args, sub->max_args, run->argv);
    while (run->argv[run->argc])
        run->argc++;
    return code;
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
    int code = take_arguments(&run, sub, argc - 1, argv + 1);
    if (code == EXIT_GOOD)
        code = sub->run(&run);
    cert_store_close(&run.store);
    cert_names_clear(&run.args.names);
    names_clear(&run.args.permit);
    free(run.proxy_socket);
    free(run.page_ca);
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
        {"page", N_("make the page's certificate anew, from a CA that only browsers know")},
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
    "init self-signed csr sign install renew page back show fingerprint client revoke crl export",
};
