/*
 * The table of options written out: the sample file and the manual's section are made of it, so
 * that they cannot fall behind (scripts/gendocs).
 */
#ifndef ELEXGATE_CLI_OPTION_DOCS_H
#define ELEXGATE_CLI_OPTION_DOCS_H

#include <stdio.h>

void option_docs_sample(FILE *f); /* docs/elexgate.ini */
void option_docs_man(FILE *f);    /* the options in docs/man/elexgate.ini.5, as mdoc */

#endif
