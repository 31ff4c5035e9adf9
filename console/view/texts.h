/*
 * The page's sentences: texts/page.json for the templates ({{t.key}}), texts/messages.json for what
 * the program itself says. Both are English; the catalogue (common/lang.h) has them in the other
 * languages.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_TEXTS_H
#define ELEXGATE_CONSOLE_VIEW_TEXTS_H

#include <jansson.h>
#include "common/error.h"
#include "common/lang.h"

/* texts/NAME.json as an object, each sentence in that language; new reference. dir NULL: embedded.
 */
int texts_load(
    const char *dir, const char *name, enum lang lang, json_t **out, struct err *e) MUSTCHECK;

#endif
