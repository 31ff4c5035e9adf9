/* The filter of system calls: what no database server needs, and what reaches out of a sandbox. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "backup/job/trial/sandbox_internal.h"

/* To others' sockets; unless it may connect. */
static const int reaching[] = {SYS_connect, SYS_sendmsg, SYS_sendmmsg};

/* socket: of the local kind only. sendto: to nobody but the other end. */
static void bound_sockets(struct call_filter *f)
{
    call_filter_unless(f, SYS_socket, 4);
    call_filter_load(f, 0, CALL_LOW);
    call_filter_unless(f, AF_UNIX, 1);
    call_filter_answer(f, 0);
    call_filter_answer(f, EAFNOSUPPORT);
    call_filter_unless(f, SYS_sendto, 6);
    call_filter_load(f, 4, CALL_LOW);
    call_filter_unless(f, 0, 3);
    call_filter_load(f, 4, CALL_HIGH);
    call_filter_unless(f, 0, 1);
    call_filter_answer(f, 0);
    call_filter_answer(f, EPERM);
}

void sandbox_filter_make(struct sandbox_plan *p)
{
    struct call_filter *f = &p->filter;
    call_filter_begin(f);
    for (size_t i = 0; !p->s.connects && i < sizeof reaching / sizeof reaching[0]; i++)
        call_filter_refuse(f, reaching[i], EPERM);
    call_filter_bound_processes(f, p->s.scripts);
    if (!p->s.network)
        bound_sockets(f);
    call_filter_answer(f, 0);
}
