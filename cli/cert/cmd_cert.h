/*
 * What the subcommands of `elexgate cert` share: their options, the folder, the CA's passphrase,
 * telling the proxy. Layout of the folder: certs/cert_store.h.
 */
#ifndef ELEXGATE_CLI_CERT_CMD_CERT_H
#define ELEXGATE_CLI_CERT_CMD_CERT_H

#include <stdbool.h>
#include <time.h>

#include "certs/info.h"
#include "certs/make.h"
#include "certs/names.h"
#include "certs/cert_store.h"
#include "cli/args.h"
#include "cli/cli.h"

/* Options as bits, so that each subcommand says which ones it takes. */
enum cert_option {
    CERT_DIR = 1 << 0,
    CERT_HOST = 1 << 1,     /* --host, --ip */
    CERT_KEY_KIND = 1 << 2, /* --rsa, --ed25519 */
    CERT_FORCE = 1 << 3,
    CERT_DAYS = 1 << 4,
    CERT_SUBJECT = 1 << 5, /* --name --country --canton --place --organisation --department */
    CERT_PERMIT = 1 << 6,  /* --permit, --no-constraints */
    CERT_CA_KEY = 1 << 7,  /* --ca-key, --ca-passphrase-file */
    CERT_OUT = 1 << 8,
    CERT_PASSPHRASE = 1 << 9, /* --passphrase-file: of a key or PKCS#12 that comes in or goes out */
    CERT_RELOAD = 1 << 10,    /* --no-reload */
    CERT_IF_NEEDED = 1 << 11,
    CERT_NO_SAN = 1 << 13, /* --allow-no-san */
    CERT_TRUST = 1 << 14,  /* --trust FILE: further roots, for install */
    CERT_OLD_FORMAT = 1 << 16,
    CERT_OWNER = 1 << 17,
    CERT_READS_ONLY = 1 << 18, /* no option: the folder is neither made nor locked */
    CERT_CA_DAYS = 1 << 19,    /* --ca-days, --encrypt-ca */
    CERT_NEW_CA = 1 << 20,
    CERT_OTHER_NAMES = 1 << 21,
    CERT_CHECK = 1 << 22, /* --check: says what would come of it, and changes nothing */
    CERT_FOR = 1 << 15,   /* --for --port --database --lang */
};

struct cert_args {
    const char *dir, *ca_key, *ca_passphrase_file, *passphrase_file, *out, *trust;
    const char *name, *country, *canton, *place, *organisation, *department;
    const char *owner, *target, *port, *database, *lang;
    struct cert_names names;
    struct names permit;
    int days, ca_days; /* 0 = default */
    bool rsa, ed25519, force, no_constraints, encrypt_ca, no_reload, if_needed;
    bool allow_no_san, old_format, new_ca, other_names, check;
};

struct cert_run {
    struct cli *cli;
    const char *sub;  /* "init" */
    unsigned options; /* of that subcommand */
    struct cert_args args;
    int argc; /* what is no option */
    const char **argv;
    time_t now;
    struct err e;                /* what went wrong last; cert_fail tells it */
    struct cert_store store;     /* open where cert_open was called */
    char *proxy_socket;          /* NULL: no configuration, or another folder than the proxy's */
    const char *reload_word;     /* set by cert_reload, for JSON: off, done, not-running, refused */
    const char *reload_text;     /* the same for people */
    const struct config *config; /* the one that the folder belongs to; NULL: none */
    char *page_ca;               /* the file of the page's CA, where that has just been made */
};

struct cert_sub {
    const char *name;
    unsigned options;
    int (*run)(struct cert_run *run);
    int min_args, max_args;
};

/* One array per file, ended by a row without a name. */
extern const struct cert_sub cert_subs_make[];    /* init self-signed csr sign */
extern const struct cert_sub cert_subs_install[]; /* install */
extern const struct cert_sub cert_subs_renew[];   /* renew */
extern const struct cert_sub cert_subs_page[];    /* page */
extern const struct cert_sub cert_subs_back[];    /* back */
extern const struct cert_sub cert_subs_show[];    /* show fingerprint */
extern const struct cert_sub cert_subs_client[];  /* client revoke crl */
extern const struct cert_sub cert_subs_export[];  /* export */

/* Opens the folder: --dir, else that of [tls] certificate in the configuration. Returns an exit
 * code; what went wrong has been told. */
int cert_open(struct cert_run *run) MUSTCHECK;
/* Opens the CA with its key; asks for the passphrase where needed. Exit code as above. */
int cert_open_ca(struct cert_run *run, X509 **ca, EVP_PKEY **key) MUSTCHECK;
/* Asks for a new passphrase, twice, or takes it from file. Freed with secret_free. */
char *cert_new_passphrase(
    struct cert_run *run, const char *file, const char *what, struct err *e) MUSTCHECK;
enum make_key_kind cert_key_kind(const struct cert_run *run);
/* The same, and where nothing is asked for, the kind of the old one. */
enum make_key_kind cert_key_kind_like(const struct cert_run *run, const EVP_PKEY *old);

/* renew --new-ca: the CA that follows ours. Exit code. */
int cert_new_ca(struct cert_run *run) MUSTCHECK;
/* CERT_WARN_CA_ENDS where our CA has cut x to its own end, else 0. */
unsigned cert_cut_by_ca(const struct cert_run *run, X509 *x);
/* Issued by our CA, or by one that it follows. */
bool cert_is_ours(struct cert_run *run, X509 *leaf);
/* chain_permitted, with the names that are outside told for the form. Exit code. */
int cert_permitted(struct cert_run *run, X509 *ca, X509 *leaf) MUSTCHECK;
/* Adds the names of a certificate to those that were asked for. Exit code. */
int cert_names_of(struct cert_run *run, const struct cert_info *old) MUSTCHECK;

/* Checks chain (leaf first) and key by the proxy's own rules, publishes them, asks the proxy to
 * take them, and tells all that under the headline. extra: further members of the JSON answer, NULL
 * or a reference that is taken over. Exit code. */
int cert_publish(struct cert_run *run, STACK_OF(X509) * chain, EVP_PKEY *key, const char *headline,
    json_t *extra) MUSTCHECK;

/* A certificate for the page, with the names of the server's and of the page's own CA; sets
 * run->page_ca. 1: made; 0: not due, or the page has none that is ours. */
int cert_page_make(struct cert_run *run, const struct cert_pair *server, bool only_if_due,
    struct err *e) MUSTCHECK;
/* For people: a browser has to know run->page_ca. */
void cert_tell_page_ca(const struct cert_run *run);

/* A CA for run->args: "Elexgate CA praxis-server 2026-11-22 3f9a", with the first words given. */
int cert_make_ca(const struct cert_run *run, const char *words, EVP_PKEY **key, X509 **ca,
    struct err *e) MUSTCHECK;

/* The certificates that clients must trust, the lasting one first: the CAs of the folder where one
 * of them issued what is in use, else the root of that chain, or the self-signed one itself. Empty:
 * the issuer is a public CA. */
STACK_OF(X509) * cert_anchors(struct cert_run *run, const struct cert_pair *pair) MUSTCHECK;
/* {"certificate":…,"workstations":"same-ca"|"new-ca"}: what next in now's place (NULL: none) means.
 * New reference. */
json_t *cert_exchange_json(
    struct cert_run *run, const struct cert_pair *now, const struct cert_pair *next) MUSTCHECK;
/* The same of the pair before the present one, with "fits": it would be taken; NULL: there is none.
 */
json_t *cert_back_json(struct cert_run *run, const struct cert_pair *now) MUSTCHECK;

/* Asks the proxy to read its files again. EXIT_FAILED when it refused, with its words in e. */
int cert_reload(struct cert_run *run, struct err *e) MUSTCHECK;

/* {"subject":…,"issuer":…,"serial":…,"not_before":…,"not_after":…,"days_left":…,"names":[…],
 *  "fingerprint_sha256":…,"key":…,"warnings":[…]} New reference. */
json_t *cert_json(const struct cert_info *i, unsigned warnings, time_t now) MUSTCHECK;
/* The same for people, two columns. */
void cert_print(const struct cli *cli, const struct cert_info *i, unsigned warnings, time_t now);
/* "AB:CD:…" malloc'ed. */
char *cert_colons(const char *hex) MUSTCHECK;

/* Fails with the error, exit code after its kind: refusals of bad certificates are EXIT_REFUSED. */
int cert_fail(struct cert_run *run);
/* The same with the field of a form that it is about; NULL: none. */
int cert_fail_at(struct cert_run *run, const struct err *e, const char *field);

#endif
