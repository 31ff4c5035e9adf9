/*
 * What is in the package for a workstation besides the certificates, and the ZIP itself. Facts and
 * contents in, bytes out; no file.
 */
#ifndef ELEXGATE_CLI_CERT_CMD_CERT_PACKAGE_H
#define ELEXGATE_CLI_CERT_CMD_CERT_PACKAGE_H

#include <stddef.h>
#include <time.h>

#include "cli/cert/cmd_cert_guide.h"
#include "common/error.h"

#define PACKAGE_TEXTS 4

struct package_file {
    const char *name;
    char *text; /* malloc'ed */
};
/* The lines to copy and the script; as many as it returns. */
size_t package_texts(const struct guide_facts *f, struct package_file out[static PACKAGE_TEXTS]);

struct package_content {
    const char *name, *data;
    size_t len;
};
/* *out is malloc'ed. */
int package_zip(const struct package_content *files, size_t n, time_t now, char **out, size_t *len,
    struct err *e) MUSTCHECK;

#endif
