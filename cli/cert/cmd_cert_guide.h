/*
 * Instructions for connecting a workstation: built as steps, shown as text or as a page to print.
 * Pure: facts in, strings out.
 */
#ifndef ELEXGATE_CLI_CERT_CMD_CERT_GUIDE_H
#define ELEXGATE_CLI_CERT_CMD_CERT_GUIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/lang.h"

enum guide_target {
    GUIDE_JDBC,
    GUIDE_WINDOWS,
    GUIDE_MACOS,
    GUIDE_LINUX,
    GUIDE_WEBELEXIS,
    GUIDE_PACKAGE
};

#define GUIDE_TRUST_FILE     "elexgate-trust.p12"
#define GUIDE_TRUST_PASSWORD "elexgate" /* of the trust store, in which nothing is secret */
#define GUIDE_CA_PEM         "elexgate-ca.pem"
#define GUIDE_CA_DER         "elexgate-ca.cer"
#define GUIDE_LINE_WINDOWS   "line-windows.txt" /* files of the package: the line for Elexis */
#define GUIDE_LINE_UNIX      "line-macos-linux.txt"
#define GUIDE_LINE_STORE     "line-system-store.txt"

struct guide_facts {
    enum lang lang;
    const char *host, *port, *database;
    /* The certificate to trust; issuer NULL: a public CA, nothing needs to be installed. */
    const char *issuer, *sha256, *sha1; /* fingerprints with colons */
    const char *valid_until;            /* of that certificate */
};

struct guide_step {
    char *text;
    char *code; /* to type or copy, may have several lines; NULL if none */
};

struct guide {
    enum lang lang;
    bool list; /* with one to tick off, a row a workstation */
    char *title;
    struct guide_step *steps;
    size_t n;
};

/* false: no such name. */
bool guide_target_parse(const char *name, enum guide_target *out);
void guide_build(enum guide_target target, const struct guide_facts *f, struct guide *out);
void guide_clear(struct guide *g);
/* What goes into Elexis's field for the database's name, and the whole URL. windows: paths as
 * Windows writes them. malloc'ed. */
char *guide_database_field(const struct guide_facts *f, bool windows);
/* The first of them for a MariaDB, as the package has it: times are found again. */
char *guide_package_field(const struct guide_facts *f, bool windows);
char *guide_jdbc_url(const struct guide_facts *f, bool windows);

/* malloc'ed. */
char *guide_text(const struct guide *g);
char *guide_html(const struct guide *g, const struct guide_facts *f);

#endif
