/* The filter of system calls: what no database server needs, and what reaches out of a sandbox. */
#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "backup/job/trial/sandbox_internal.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCHITECTURE AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCHITECTURE AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCHITECTURE AUDIT_ARCH_S390X
#else
#error "the architecture's number for seccomp is missing here"
#endif

#define LOW(arg)                                                                                   \
    (offsetof(struct seccomp_data, args[arg]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4u : 0u))
#define HIGH(arg)                                                                                  \
    (offsetof(struct seccomp_data, args[arg]) + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 0u : 4u))

/* To others' sockets; unless it may connect. */
static const int reaching[] = {SYS_connect, SYS_sendmsg, SYS_sendmmsg};

static const int refused[] = {
    /* by ways that a filter cannot look into */
    SYS_io_uring_setup,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    /* out of a namespace, or into another view of files */
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_pivot_root,
    SYS_chroot,
    SYS_open_tree,
    SYS_move_mount,
    SYS_fsopen,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fspick,
    SYS_mount_setattr,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_quotactl,
    SYS_fanotify_init,
    /* into other processes */
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_kcmp,
    SYS_pidfd_getfd,
    SYS_shmget,
    SYS_shmat,
    SYS_shmctl,
    SYS_semget,
    SYS_semctl,
    SYS_msgget,
    SYS_msgctl,
    /* into the kernel */
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_add_key,
    SYS_request_key,
    SYS_keyctl,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kexec_load,
    SYS_reboot,
    SYS_swapon,
    SYS_acct,
    SYS_syslog,
    SYS_personality,
    SYS_settimeofday,
    SYS_clock_settime,
    SYS_adjtimex,
    SYS_mknodat,
#ifdef SYS_mknod
    SYS_mknod,
#endif
};

static void put(struct sandbox_plan *p, struct sock_filter f)
{
    CHECK(p->filter.len < SANDBOX_FILTER_MAX);
    p->code[p->filter.len++] = f;
}

static void load(struct sandbox_plan *p, size_t offset)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

static void answer(struct sandbox_plan *p, int code)
{
    put(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
               code ? SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA) : SECCOMP_RET_ALLOW));
}

/* Goes on behind the next n instructions unless the loaded value is this one. */
static void unless(struct sandbox_plan *p, unsigned value, uint8_t n)
{
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

static void refuse(struct sandbox_plan *p, int call, int code)
{
    unless(p, (unsigned)call, 1);
    answer(p, code);
}

/* socket: of the local kind only. sendto: to nobody but the other end. */
static void bound_sockets(struct sandbox_plan *p)
{
    unless(p, SYS_socket, 4);
    load(p, LOW(0));
    unless(p, AF_UNIX, 1);
    answer(p, 0);
    answer(p, EAFNOSUPPORT);
    unless(p, SYS_sendto, 6);
    load(p, LOW(4));
    unless(p, 0, 3);
    load(p, HIGH(4));
    unless(p, 0, 1);
    answer(p, 0);
    answer(p, EPERM);
}

/* Threads yes, processes for scripts only, namespaces never. clone3 keeps its flags in memory,
 * where no filter sees them: it does not exist, and libc takes clone. */
static void bound_processes(struct sandbox_plan *p)
{
    unsigned spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                      CLONE_NEWUTS | CLONE_NEWCGROUP;
    size_t flags =
#ifdef __s390x__
        LOW(1);
#else
        LOW(0);
#endif
    refuse(p, SYS_clone3, ENOSYS);
#ifdef SYS_fork
    if (!p->s.scripts) {
        refuse(p, SYS_fork, EPERM);
        refuse(p, SYS_vfork, EPERM);
    }
#endif
    unless(p, SYS_clone, p->s.scripts ? 4 : 6);
    load(p, flags);
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, spaces, 0, 1));
    answer(p, EPERM);
    if (!p->s.scripts) {
        put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
        answer(p, EPERM);
    }
    answer(p, 0);
}

void sandbox_filter_make(struct sandbox_plan *p)
{
    p->filter = (struct sock_fprog){.filter = p->code};
    load(p, offsetof(struct seccomp_data, arch));
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    answer(p, EPERM);
    load(p, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1)); /* x32 */
    answer(p, ENOSYS);
#endif
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        refuse(p, refused[i], EPERM);
    for (size_t i = 0; !p->s.connects && i < sizeof reaching / sizeof reaching[0]; i++)
        refuse(p, reaching[i], EPERM);
    bound_processes(p);
    if (!p->s.network)
        bound_sockets(p);
    answer(p, 0);
}
