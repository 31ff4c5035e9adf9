/*
 * A member of a tar on its way from the process that parses it (parse.h): what archive_entry holds
 * of it, as bytes. The taking half trusts none of them.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PARSE_MEMBER_H
#define ELEXGATE_BACKUP_ARCHIVE_PARSE_MEMBER_H

#include <archive_entry.h>
#include <stdbool.h>
#include "common/buffer.h"

/* false: more than a frame holds (names, attributes), or no name. */
bool parse_member_put(struct buffer *b, struct archive_entry *ae) MUSTCHECK;
/* Into an emptied entry. false: these are not the bytes of one. */
bool parse_member_take(const uint8_t *data, size_t n, struct archive_entry *ae) MUSTCHECK;

#endif
