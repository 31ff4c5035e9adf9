/*
 * confined docker|unit PROGRAM ...: becomes a program under a filter of system calls. docker: as
 * Docker's own, as far as it concerns a sandbox: no new namespaces. unit: as that of the units,
 * where @system-service does not know seccomp(2).
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/call_filter.h"

static int as_in_a_unit(void)
{
    const struct call_filter f = {
        .code = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)},
        .n = 4};
    return call_filter_shut(&f);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    if ((strcmp(argv[1], "unit") == 0 ? as_in_a_unit() : call_filter_serve(true)) < 0) {
        perror("confined");
        return 1;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}
