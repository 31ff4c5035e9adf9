/*
 * A copy of the data, unpacked from an archive and tried out: what a drill and a restore have in
 * common.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_COPY_CHECK_H
#define ELEXGATE_BACKUP_JOB_TRIAL_COPY_CHECK_H

#include "backup/archive/manifest_file.h"
#include "backup/archive/store.h"
#include "backup/job/run.h"

struct throwaway;

struct copy_check {
    struct run *run;
    const struct store_item *item;
    const char *archive, *manifest; /* paths; manifest NULL = none (an archive of the old system) */
    const char *datadir;            /* an empty folder that exists; NULL = only read it */
    const char *phase;              /* for the progress; NULL = extract */
    int (*content)(void *ctx, const void *data, size_t n, struct err *e); /* as in unpack.h */
    void *content_ctx;
    const char *scratch; /* a private folder for the throwaway server */
    bool sync;           /* fsync every file: it is going to stay */
    unsigned strip;      /* leading path parts to drop */
    uint64_t max_bytes;  /* without a manifest */
    /* What is broken in the copy as it was when the backup was made does not count: it brings back
     * all else. Not for a proof, which says what is good. */
    bool as_it_was;
    /* In the trial server, before the tables are looked at and after; NULL allowed. */
    int (*begun)(void *ctx, struct throwaway *t, struct err *e);
    int (*checked)(void *ctx, struct throwaway *t, struct err *e);
    void *ctx;
    const char *program; /* instead of [drill] server_program and server_args; NULL = those */
    const char *root;    /* another system's, in which that program is (sandbox.h); NULL = none */
    bool rehearsal;      /* only tried: a policy about series is not asked */
    bool as_it_is;       /* not even what a manifest-less archive holds broken: it is named */
    /* The copy came to what the item says by the binary log, from an older backup. Then no table
     * may be there that was not, and of the server's own those that the log brings are counted. */
    bool replayed;
    const json_t *before; /* tables that the live server cannot open either; NULL = not known */
    json_t *broken; /* object: gets the tables that cannot be read, with words; NULL allowed */
    const struct manifest *first; /* its own: the tables before they were brought up */
    bool across;                  /* result: the data are of an older series, and were brought up */
    struct store_proof proof;     /* result: what was gone through */
};

/* The whole manifest of an archive: beside an encrypted one lies a short one that names no tables
 * and no settings, and the full one is encrypted too. *m is it->manifest or that of *file, which
 * the caller closes (manifest_file_close) when it needs *m no longer. path: of the manifest. */
int copy_check_manifest(struct run *r, const struct store_item *it, const char *path,
    struct manifest_file **file, const struct manifest **m, struct err *e) MUSTCHECK;

/* Both: 0, or a result of the run with its words. */
int copy_check_extract(struct copy_check *c, struct err *e) MUSTCHECK;
/* Starts a server on the copy once, which puts its files in order, and stops it. */
int copy_check_recover(struct copy_check *c, struct err *e) MUSTCHECK;
/* Starts a throwaway server on the copy (which changes it as any start does), or imports a dump
 * into one; CHECK TABLE over all tables; rows and checksums as at the backup; stops it cleanly.
 * Nothing to do for plain folders. */
int copy_check_boot(struct copy_check *c, struct err *e) MUSTCHECK;

#endif
