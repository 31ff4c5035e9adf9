/*
 * A program that works on what nobody vouches for, where it can reach nothing.
 *
 * As its own user (as root: never as root), without a capability, without a way to new rights:
 *
 * - namespaces: new user, mount, pid, network and ipc namespaces. Its file system holds the
 * system's programs and libraries read-only, four devices, and the folders that it is given, which
 * start no programs. It is the first process in there, and what it starts ends with it.
 * - landlock, where the kernel or a profile refuses those: the same view of files as rights on
 * them.
 *
 * In both a filter of system calls: no network, no connection to anybody's socket, no other program
 * unless it is a script, no mounts, no tracing, no io_uring, no new namespaces. Limits on memory,
 * time and the size of files. It dies with the thread that has started it.
 *
 * Needs no capability that a keeper under systemd has not: CAP_SETUID and CAP_SETGID.
 */
#ifndef ELEXGATE_BACKUP_JOB_TRIAL_SANDBOX_H
#define ELEXGATE_BACKUP_JOB_TRIAL_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "common/process.h"

enum sandbox_kind { SANDBOX_AUTO, SANDBOX_NAMESPACES, SANDBOX_LANDLOCK };

struct sandbox {
    enum sandbox_kind kind;
    uid_t uid; /* whom the program runs as; not as root: ourselves */
    gid_t gid;
    int home;                    /* a folder of ours that this user may pass through (owned.h) */
    const char *home_path;       /* the same, its real path */
    const char *const *writable; /* folders in it that belong to that user; the first is where it
                                    starts; NULL: none, it starts in the root */
    const char *socket;          /* one in the home that it may connect to; NULL allowed */
    const char *const
        *readable; /* files and folders it may read beside the system's; NULL allowed */
    /* The system whose programs and libraries are seen, a root of another Debian; NULL = this one.
     * In namespaces only. The user must get through to it, or it lies in the home. */
    const char *root;
    bool scripts;  /* it is a script and starts programs */
    bool connects; /* it may connect to a socket that it sees, until it calls sandbox_shut */
    bool network;  /* with connects: over the network as well */
    uint64_t memory, file_size; /* bytes; 0 = no limit */
    unsigned cpu_s;
};

/* The program, caged. With SANDBOX_AUTO in namespaces, or with Landlock where those are refused;
 * which one it was in *got, NULL allowed. */
int sandbox_start(const struct sandbox *s, const struct process_options *o, struct process *out,
    enum sandbox_kind *got, struct err *e) MUSTCHECK;

/* By a program of ours in a sandbox with `connects`, once it is connected, before it meets what
 * nobody vouches for: from here on the filter is the same as everybody's. */
int sandbox_shut(struct process_failure *f) MUSTCHECK;

const char *sandbox_kind_name(enum sandbox_kind kind);

#endif
