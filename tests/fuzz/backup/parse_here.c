/*
 * In the place of common/reckoner.c: what parses runs on a thread of the fuzzer itself, which thus
 * sees where it goes, and is not started anew for each input.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "backup/archive/parse_internal.h"
#include "common/reckoner.h"

static struct {
    pthread_t thread;
    int in, out, drain;
    bool runs;
    const char *words[4];
} here;

static int stay(bool threads)
{
    (void)threads;
    return 0;
}

static void *parse(void *arg)
{
    (void)arg;
    CHECK(parse_between(here.in, here.out, here.words, stay) == 0);
    close(here.in);
    close(here.out);
    return NULL;
}

int reckoner_start(const char *const *words, int in, int out, struct process *child, struct err *e)
{
    char path[40];
    (void)e;
    *child = (struct process){0};
    for (size_t i = 0; i < 3; i++)
        here.words[i] = words[i + 1];
    snprintf(path, sizeof path, "/proc/self/fd/%d", out);
    here.in = dup(in);
    here.out = dup(out);
    here.drain = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    CHECK(here.in >= 0 && here.out >= 0 && here.drain >= 0);
    CHECK(pthread_create(&here.thread, NULL, parse, NULL) == 0);
    here.runs = true;
    return 0;
}

/* A thread cannot be killed: what it still says is taken, until it has ended. */
void reckoner_end(struct process *child)
{
    static char heard[65536];
    (void)child;
    if (!here.runs)
        return;
    while (pthread_tryjoin_np(here.thread, NULL) == EBUSY)
        if (read(here.drain, heard, sizeof heard) < 0)
            usleep(100);
    close(here.drain);
    here.runs = false;
}
