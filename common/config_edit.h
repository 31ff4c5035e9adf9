/*
 * Changes options in the text of a configuration file and leaves everything else as it stands, byte
 * for byte: comments, order, blank lines, unknown lines, line ends (LF or CRLF), a byte order mark.
 * Pure: text in, text out. Whether the result is a good configuration is config_parse's to say.
 *
 * A changed line keeps its indentation, the blanks around its "=" and the comment behind its value.
 * A new option comes right behind a line that has it commented out, as in the sample file, else
 * behind the section's last option; a new section comes at the end. Only whole lines are removed.
 */
#ifndef ELEXGATE_COMMON_CONFIG_EDIT_H
#define ELEXGATE_COMMON_CONFIG_EDIT_H

#include <stddef.h>
#include "common/error.h"

struct config_edit {
    const char *section;
    const char *name; /* of the section, [data NAME]; NULL where it has none */
    const char *key;
    const char *value; /* NULL: the option is removed */
};

/* Applies the edits in turn; *out is malloc'ed, with a NUL behind its *out_len bytes. -EINVAL: a
 * value that the file cannot hold (line break, control character, a ";" that would begin a comment,
 * not UTF-8). -EEXIST: the option stands twice. -EFBIG: text of more than 1 MiB. */
int config_edit(const char *text, size_t len, const struct config_edit *edits, size_t n, char **out,
    size_t *out_len, struct err *e) MUSTCHECK;

#endif
