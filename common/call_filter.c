#include "common/call_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/memory.h"

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

static void put_instruction(struct call_filter *f, struct sock_filter one)
{
    CHECK(f->n < CALL_FILTER_MAX); /* as many as the code below says */
    f->code[f->n++] = one;
}

static void load_at(struct call_filter *f, size_t offset)
{
    put_instruction(f, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset));
}

void call_filter_load(struct call_filter *f, int argument, enum call_filter_half half)
{
    load_at(f, half == CALL_LOW ? LOW(argument) : HIGH(argument));
}

void call_filter_answer(struct call_filter *f, int code)
{
    put_instruction(
        f, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
               code ? SECCOMP_RET_ERRNO | ((unsigned)code & SECCOMP_RET_DATA) : SECCOMP_RET_ALLOW));
}

void call_filter_unless(struct call_filter *f, unsigned value, uint8_t n)
{
    put_instruction(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

/* The same unless one of these bits is set. */
static void unless_bits(struct call_filter *f, unsigned bits, uint8_t n)
{
    put_instruction(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, n));
}

void call_filter_refuse(struct call_filter *f, int call, int code)
{
    call_filter_unless(f, (unsigned)call, 1);
    call_filter_answer(f, code);
}

static void begin(struct call_filter *f)
{
    f->n = 0;
    load_at(f, offsetof(struct seccomp_data, arch));
    put_instruction(f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    call_filter_answer(f, EPERM);
    load_at(f, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
    put_instruction(
        f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1)); /* x32 */
    call_filter_answer(f, ENOSYS);
#endif
}

static void refuse_all(struct call_filter *f)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        call_filter_refuse(f, refused[i], EPERM);
}

void call_filter_begin(struct call_filter *f)
{
    begin(f);
    refuse_all(f);
}

/* clone3 keeps its flags in memory, where no filter sees them: it does not exist, and libc takes
 * clone. */
void call_filter_bound_processes(struct call_filter *f, bool processes)
{
    unsigned spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                      CLONE_NEWUTS | CLONE_NEWCGROUP;
#ifdef __s390x__
    int flags = 1;
#else
    int flags = 0;
#endif
    call_filter_refuse(f, SYS_clone3, ENOSYS);
#ifdef SYS_fork
    if (!processes) {
        call_filter_refuse(f, SYS_fork, EPERM);
        call_filter_refuse(f, SYS_vfork, EPERM);
    }
#endif
    call_filter_unless(f, SYS_clone, processes ? 4 : 6);
    call_filter_load(f, flags, CALL_LOW);
    unless_bits(f, spaces, 1);
    call_filter_answer(f, EPERM);
    if (!processes) {
        put_instruction(
            f, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_THREAD, 1, 0));
        call_filter_answer(f, EPERM);
    }
    call_filter_answer(f, 0);
}

/* By prctl: a filter that a service manager has set before knows it, and not always seccomp(2). */
int call_filter_shut(const struct call_filter *f)
{
    struct sock_fprog program = {.len = f->n, .filter = (struct sock_filter *)(uintptr_t)f->code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int shut_all_threads(const struct call_filter *f)
{
    struct sock_fprog program = {.len = f->n, .filter = (struct sock_filter *)(uintptr_t)f->code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
    return r == 0 ? 0 : call_filter_shut(f); /* this one at least, and those that it makes */
}

int call_filter_only_reckon(bool threads)
{
    static const int allowed[] = {SYS_read, SYS_write, SYS_close, SYS_brk, SYS_munmap, SYS_mremap,
        SYS_madvise, SYS_futex, SYS_exit, SYS_exit_group, SYS_restart_syscall, SYS_rt_sigreturn,
        SYS_rt_sigprocmask, SYS_sigaltstack, SYS_sched_yield, SYS_clock_gettime, SYS_getrandom,
        SYS_getpid, SYS_gettid};
    struct call_filter f;
    begin(&f);
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
        call_filter_refuse(&f, allowed[i], 0);
    if (threads) {
        static const int of_threads[] = {SYS_set_robust_list, SYS_rseq, SYS_sched_getaffinity};
        for (size_t i = 0; i < sizeof of_threads / sizeof of_threads[0]; i++)
            call_filter_refuse(&f, of_threads[i], 0);
        call_filter_bound_processes(&f, false);
    }
    static const int mapping[] = {SYS_mmap, SYS_mprotect};
    for (size_t i = 0; i < sizeof mapping / sizeof mapping[0]; i++) {
        call_filter_unless(&f, (unsigned)mapping[i], 4);
        call_filter_load(&f, 2, CALL_LOW);
        unless_bits(&f, PROT_EXEC, 1);
        call_filter_answer(&f, EPERM);
        call_filter_answer(&f, 0);
    }
    call_filter_answer(&f, EPERM);
    return call_filter_shut(&f);
}

int call_filter_no_ring_here(void)
{
    struct call_filter f;
    begin(&f);
    call_filter_refuse(&f, SYS_io_uring_setup, ENOSYS);
    call_filter_answer(&f, 0);
    struct sock_fprog program = {.len = f.n, .filter = f.code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

int call_filter_serve(bool programs)
{
    struct call_filter f;
    begin(&f);
#if ADDRESS_SANITIZED
    call_filter_refuse(&f, SYS_ptrace, 0); /* how it looks for leaks */
#endif
    refuse_all(&f);
    if (!programs) {
        call_filter_refuse(&f, SYS_execve, EPERM);
        call_filter_refuse(&f, SYS_execveat, EPERM);
    }
    call_filter_bound_processes(&f, true);
    call_filter_answer(&f, 0);
    return shut_all_threads(&f);
}
