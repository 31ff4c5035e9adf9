/*
 * A small Mustache (https://mustache.github.io/mustache.5.html): text and a JSON model in, text
 * out.
 *
 *     {{name}} {{a.b}} {{.}}    the value, escaped for HTML text and quoted attributes
 *     {{%t.name}}               a sentence with its arguments: {name} in it is that value of the
 * model
 *     {{{name}}}                the value as it is; for markup that we made ourselves only
 *     {{#name}}...{{/name}}     for each element of a list; once, inside it, for an object or
 * another true value
 *     {{^name}}...{{/name}}     when it is missing, false, null, 0, "" or an empty list
 *     {{>name}}                 another template, with the same model
 *     {{!...}}                  nothing
 *
 * As in Mustache a name is looked up in the innermost section first and then outwards, and a line
 * that holds nothing but a section, comment or partial tag leaves no empty line behind. Not there:
 * lambdas, changed delimiters, indentation of partials, {{&name}}.
 *
 * Pure: no file, no global. Bounded in depth, output and work, whatever template and model say.
 */
#ifndef ELEXGATE_CONSOLE_VIEW_TEMPLATE_H
#define ELEXGATE_CONSOLE_VIEW_TEMPLATE_H

#include <jansson.h>
#include <stddef.h>
#include "common/error.h"

#define TEMPLATE_DEPTH_MAX  32
#define TEMPLATE_OUTPUT_MAX (8u * 1024 * 1024)
#define TEMPLATE_TAGS_MAX   2000000 /* tags looked at in one rendering */

/* A partial's text, valid until the rendering ends; NULL if there is none. */
typedef const char *template_partial_fn(void *ctx, const char *name, size_t *len);

/* name stands in messages: "overview.html, line 12: ...". *out is malloc'ed with a NUL after its
 * *out_len bytes. -EINVAL: the template is wrong; -EFBIG, -ELOOP: a bound was reached; -ENOENT: a
 * partial is missing. partial NULL: there are none. */
int template_render(const char *name, const char *text, size_t len, const json_t *model,
    template_partial_fn *partial, void *ctx, char **out, size_t *out_len, struct err *e) MUSTCHECK;

#endif
