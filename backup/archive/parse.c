/* The half that does not meet the bytes. */
#include "backup/archive/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "backup/archive/parse_internal.h"
#include "common/file.h"
#include "common/lang.h"
#include "common/phrase.h"
#include "common/reckoner.h"
#include "common/utf8.h"

#define CHUNK   (256u * 1024u)
#define ROOM    (4u * PARSE_FRAME_MAX)
#define WORDS   1600 /* struct err's */
#define EXIT_MS 60000

struct parser {
    struct process child;
    int from; /* frames */
    uint8_t *buf;
    size_t begin, end;
    bool over;
    /* the thread that feeds it */
    pthread_t feeder;
    bool feeding;
    int to;
    struct source *source;
    int fed; /* 0, or the source's error; read once the thread has ended */
    struct err why;
};

static void *feed(void *arg)
{
    struct parser *p = arg;
    _cleanup_free_ uint8_t *chunk = xmalloc(CHUNK);
    ssize_t n;
    while ((n = p->source->read(p->source, chunk, CHUNK, &p->why)) > 0)
        if (fd_write_all(p->to, chunk, (size_t)n, NULL) < 0)
            break; /* it has ended, and says why or cannot */
    p->fed = n < 0 ? (int)n : 0;
    cleanup_fd(&p->to); /* the end of what it reads */
    return NULL;
}

static void stop_feeding(struct parser *p)
{
    if (p->feeding)
        pthread_join(p->feeder, NULL);
    p->feeding = false;
}

/* A signal for the job is not this thread's to take, and a pipe without a reader is no signal. */
static void start_feeding(struct parser *p)
{
    sigset_t all, old;
    sigfillset(&all);
    CHECK(pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    CHECK(pthread_create(&p->feeder, NULL, feed, p) == 0);
    CHECK(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
    p->feeding = true;
}

static int start_child(struct parser *p, const struct parse_options *o, struct err *e)
{
    static const char *const as[] = {"gzip", "tar", "sql"};
    char threads[12];
    int in[2], out[2];
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(threads, sizeof threads, "%u",
        o->threads ? o->threads
        : cpus > 0 ? (unsigned)cpus
                   : 1);
    const char *words[] = {
        PARSE_CHILD, as[o->as], o->second_opinion ? "zlib" : "fastest", threads, NULL};
    if (pipe2(in, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    p->to = in[1];
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        return err_sys(e, errno, "cannot make a pipe");
    }
    p->from = out[0];
    (void)fcntl(in[1], F_SETPIPE_SZ, PARSE_PIPE);
    (void)fcntl(out[1], F_SETPIPE_SZ, PARSE_PIPE);
    int r = reckoner_start(words, in[0], out[1], &p->child, e);
    close(in[0]);
    close(out[1]);
    return r;
}

int parser_start(
    const struct parse_options *o, struct source *from, struct parser **out, struct err *e)
{
    struct parser *p = xcalloc(1, sizeof *p);
    p->from = p->to = -1;
    p->source = from;
    int r = start_child(p, o, e);
    if (r < 0) {
        parser_drop(p);
        return r;
    }
    p->buf = xmalloc(ROOM);
    start_feeding(p);
    *out = p;
    return 0;
}

/* What the source said comes first: to the child a source that failed is one that was cut off. */
static int broken(struct parser *p, const char *words, struct err *e)
{
    p->over = true;
    reckoner_end(&p->child);
    stop_feeding(p);
    if (p->fed < 0) {
        if (e)
            *e = p->why;
        return p->fed == -EBADMSG ? PARSE_BROKEN : p->fed;
    }
    err_set(e, EBADMSG, "%s", words);
    return PARSE_BROKEN;
}

static int ended_early(struct parser *p, struct err *e)
{
    struct err how = {0}, words = {0};
    bool over = process_wait(&p->child, EXIT_MS, NULL, NULL) == 0;
    int status = p->child.status;
    (void)err_set(&words, EBADMSG, "the program that unpacks it %s",
        over ? process_how(&p->child, &how) : N_("stopped"));
    int r = broken(p, err_words(&words), e);
    /* from outside, as without memory: that says nothing of the file */
    return r == PARSE_BROKEN && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? -EIO : r;
}

/* At least n bytes from begin on. 0; PARSE_BROKEN, negative. */
static int need(struct parser *p, size_t n, struct err *e)
{
    if (p->end - p->begin >= n)
        return 0;
    if (ROOM - p->begin < n) {
        memmove(p->buf, p->buf + p->begin, p->end - p->begin);
        p->end -= p->begin;
        p->begin = 0;
    }
    while (p->end - p->begin < n) {
        ssize_t got = read(p->from, p->buf + p->end, ROOM - p->end);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_sys(e, errno, "cannot hear the program that unpacks");
        if (got == 0)
            return ended_early(p, e);
        p->end += (size_t)got;
    }
    return 0;
}

/* A sentence with its arguments (PHRASE_MARK), or what a child says that a file has taken over. */
static void words_of(const struct parse_frame *f, char words[WORDS])
{
    char raw[WORDS];
    size_t n = f->n < sizeof raw - 1 ? f->n : sizeof raw - 1;
    memcpy(raw, f->data, n);
    raw[n] = '\0';
    for (char *c = raw + (*raw == PHRASE_MARK); *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    utf8_copy(words, WORDS, raw);
}

int parser_next(struct parser *p, struct parse_frame *f, struct err *e)
{
    struct parse_head head;
    char words[WORDS];
    if (p->over)
        return err_set(e, EINVAL, "nothing more comes of it");
    int r = need(p, sizeof head, e);
    if (r != 0)
        return r;
    memcpy(&head, p->buf + p->begin, sizeof head);
    if (head.kind < PARSE_DATA || head.kind >= PARSE_KINDS || head.n > PARSE_FRAME_MAX)
        return broken(p, "the program that unpacks it gave no proper answer", e);
    r = need(p, sizeof head + head.n, e);
    if (r != 0)
        return r;
    *f = (struct parse_frame){.kind = (enum parse_kind)head.kind,
        .at = head.at,
        .data = p->buf + p->begin + sizeof head,
        .n = head.n};
    p->begin += sizeof head + head.n;
    if (f->kind == PARSE_DAMAGED) {
        words_of(f, words);
        return broken(p, words, e);
    }
    if (f->kind != PARSE_END && f->kind != PARSE_REFUSED)
        return 0;
    p->over = true;
    reckoner_end(&p->child);
    stop_feeding(p);
    return f->kind == PARSE_END && p->fed < 0 ? broken(p, "", e) : 0;
}

void parser_drop(struct parser *p)
{
    if (!p)
        return;
    reckoner_end(&p->child);
    stop_feeding(p);
    cleanup_fd(&p->to);
    cleanup_fd(&p->from);
    free(p->buf);
    free(p);
}
