/*
 * Reading an archive: verified, or extracted beneath an opened folder.
 *
 * The gzip layer is inflated by our own reader (gzip_read.h), in parallel when the archive is ours;
 * CRC and length of each member are checked. Each tar member is compared with the manifest's entry
 * of the same place: name, type, size, SHA-256; anything missing, surplus or different is damage.
 *
 * Extraction writes only beneath the opened folder, by a walk of openat(O_NOFOLLOW|O_DIRECTORY), so
 * a link in the way is an error. Only regular files and directories are made, with O_EXCL (a name
 * twice is refused), and symlinks if asked for, after everything else, so that nothing is ever
 * written through one. Refused before a byte of the member is written: absolute paths, `..`, hard
 * links, devices, FIFOs, setuid and setgid bits, more bytes or files than allowed. Holes stay
 * holes.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_UNPACK_H
#define ELEXGATE_BACKUP_ARCHIVE_UNPACK_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/rules/manifest.h"
#include "common/error.h"

enum unpack_outcome {
    UNPACK_STOPPED = 1, /* go_on said no */
    UNPACK_DAMAGED =
        2, /* archive and manifest do not agree, or the archive is broken; e says where */
    UNPACK_UNSAFE = 3, /* a member that must not be extracted; e names it */
    UNPACK_LOCKED = 4, /* encrypted, and no identity given fits */
};

struct unpack_options {
    const char *archive; /* path of the .tar.gz or .tar.gz.age */
    const char
        *manifest;      /* its manifest; NULL = none (an archive of the old system): then the limits
                           below must be set, and nothing but gzip and tar can be checked */
    const char *expect; /* the manifest's digest, see manifest_file_open; NULL = any */
    int into;           /* opened folder, should be empty; -1 = verify only */
    /* Gets the content of every file as it is read, in order; what it returns but 0 ends the
     * reading. For an archive that is one stream, as a dump is; a hole is damage then. NULL = none
     */
    int (*content)(void *ctx, const void *data, size_t n, struct err *e);
    void *content_ctx;
    bool symlinks;  /* make symlinks that are relative and stay beneath the folder; others are left
                       out and counted. false (a data directory): a symlink in the archive is
                       UNPACK_UNSAFE when extracting */
    bool links_out; /* make those too: nothing is ever written through a link */
    bool owners;    /* as root: owner and group as recorded; else the caller's */
    bool sync;      /* fsync every file and folder (restore); a drill need not */
    uint64_t max_bytes, max_files; /* 0 = from the manifest */
    unsigned strip;                /* leading path parts to drop (old archives) */
    bool second_opinion; /* inflate with zlib even if ISA-L is there: for checking what ISA-L wrote
                          */
    unsigned threads;    /* 0 = one a processor */
    const char *identity_file; /* age identities, for encrypted archives */
    const char *passphrase;
    bool (*go_on)(void *ctx);
    void (*progress)(void *ctx, uint64_t bytes_done, uint64_t bytes_total, const char *path);
    void *ctx;
};

struct unpack_result {
    uint64_t links_left_out;      /* symlinks that point out of the folder */
    uint64_t attributes_left_out; /* ACLs, extended attributes that could not be set */
    uint64_t tar_bytes;
    uint64_t files, directories, symlinks, bytes;
    char sha256[SHA256_HEX_LEN]; /* of the archive file */
};

int unpack_run(const struct unpack_options *o, struct unpack_result *r, struct err *e) MUSTCHECK;

#endif
