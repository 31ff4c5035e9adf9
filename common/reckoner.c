#include "common/reckoner.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

#define WORDS_MAX 8

int reckoner_start(const char *const *words, int in, int out, struct process *child, struct err *e)
{
    _cleanup_free_ char *program = process_self();
    _cleanup_fd_ int file = process_self_open(e);
    const char *argv[WORDS_MAX + 2] = {program};
    if (file < 0)
        return file;
    if (!program)
        return err_set(e, EIO, "the file that this program runs from is not known");
    for (size_t i = 0; words[i]; i++) {
        CHECK(i < WORDS_MAX);
        argv[i + 1] = words[i];
    }
    struct process_options o = {.argv = argv, .program = file, .in = in, .out = out};
    int code = process_start(&o, child, e);
    return code > 0 ? -EPERM : code;
}

void reckoner_end(struct process *child)
{
    if (child->pid == 0)
        return;
    kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &child->status, 0) < 0 && errno == EINTR)
        continue;
    child->pid = 0;
}
