/*
 * Texts by language: texts/de.json and texts/en.json for the templates ({{t.key}}), and
 * texts/messages.json for what the program itself says.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_TEXTS_H
#define ELEXGATE_CONSOLE_VIEW_TEXTS_H

#include <jansson.h>
#include "common/error.h"

/* A whole file of texts as an object; new reference. Parsed once when embedded (dir NULL). */
int texts_load(const char *dir, const char *name, json_t **out, struct err *e) MUSTCHECK;

#endif
