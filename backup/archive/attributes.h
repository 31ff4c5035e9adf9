/*
 * ACLs and extended attributes, between a file and its entry in a tar (pax: SCHILY.acl.*,
 * SCHILY.xattr.*, which stock tar reads with --acls and --xattrs).
 *
 * Kept: POSIX ACLs, user.*, and what Samba keeps for Windows (security.NTACL, trusted.*). Not kept:
 * what gives a program rights (security.capability) and labels that the system makes itself.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_ATTRIBUTES_H
#define ELEXGATE_BACKUP_ARCHIVE_ATTRIBUTES_H

#include <archive_entry.h>
#include <stdbool.h>

#define ATTRIBUTES_WORDS 120

/* From the file into the entry. left_out: names of attributes that are not kept, "" = none. A file
 * system without any has none. */
void attributes_read(int fd, struct archive_entry *ae, char left_out[static ATTRIBUTES_WORDS]);
/* From the entry to the file; anything else than the kinds above is not set. How many could not be
 * set, because of missing rights or a file system that has none. */
unsigned attributes_write(int fd, struct archive_entry *ae);
/* What is made in this folder of ours gets no ACL but its own: a default ACL of the folder above
 * would add rights that the file never had. */
void attributes_inherit_nothing(int fd);
bool attributes_any(struct archive_entry *ae);
/* Whether the entry's bits for the group are those of its ACL; the file's are the ACL's mask. */
bool attributes_have_acl(struct archive_entry *ae);
/* The entry's mode, but for the bits that belong to its ACL. */
void attributes_set_mode(struct archive_entry *ae, unsigned mode);

#endif
