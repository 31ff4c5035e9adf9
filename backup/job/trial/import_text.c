/*
 * SQL text into a server. The half that meets neither the text nor the server's answers to it: it
 * starts the other one in a sandbox (import_child.h), looks how far it is, and says how it ended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/job/trial/definers.h"
#include "backup/job/trial/import.h"
#include "backup/job/trial/import_child.h"
#include "backup/job/trial/trial.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/process.h"
#include "common/said.h"
#include "common/utf8.h"
#include "common/error_phrase.h"

#define LOOK_MS    50
#define ANSWER_MAX (64u << 20) /* definers of a hundred thousand objects */

/* What the child is told, in memory; a descriptor. */
static int write_order(const struct server_target *t, const char *host, unsigned port,
    const char *database, struct err *e)
{
    _cleanup_json_ json_t *order = json_pack("{s:s?, s:s?, s:i, s:s, s:s?, s:s, s:s?, s:b}",
        "socket", t->socket, "host", host, "port", (int)port, "user", t->user, "password",
        t->password, "database", database, "also_called", t->also_called, "own",
        t->definers != NULL);
    char *text = order ? json_dumps(order, JSON_COMPACT) : NULL;
    if (!text)
        return err_set(e, EINVAL, "the name of the database or of its account is not UTF-8");
    int fd = memfd_create("order", MFD_CLOEXEC);
    int code = fd < 0 ? err_sys(e, errno, "cannot keep what an import needs")
                      : fd_write_all(fd, text, strlen(text), e);
    explicit_bzero(text, strlen(text));
    free(text);
    if (code < 0)
        cleanup_fd(&fd);
    return code < 0 ? code : fd;
}

/* --- the answer, of which nothing is believed but its form --- */

static void copy(char *to, size_t size, const char *from)
{
    utf8_copy(to, size, from ? from : "");
}

static bool take_definers(const json_t *list, struct definers *out)
{
    size_t i;
    json_t *one;
    json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
        struct sql_definer d = {0};
        json_int_t object = json_integer_value(json_array_get(one, 0));
        if (object < 0 || object >= SQL_OBJECTS || json_array_size(one) != 4)
            return false;
        d.object = (enum sql_object)object;
        copy(d.name, sizeof d.name, json_string_value(json_array_get(one, 1)));
        copy(d.user, sizeof d.user, json_string_value(json_array_get(one, 2)));
        copy(d.host, sizeof d.host, json_string_value(json_array_get(one, 3)));
        definers_add(out, &d);
    }
    return true;
}

/* 0, or what its connection came to. */
static int take_answer(
    const json_t *answer, const struct server_target *t, struct import_result *out, struct err *e)
{
    json_int_t code = json_get_int(answer, "code"), refusal = json_get_int(answer, "refusal");
    if (refusal < 0 || refusal > SQL_OPEN || code > 0 || code < -4095 ||
        (t->definers && !take_definers(json_object_get(answer, "definers"), t->definers)))
        return err_set(e, EBADMSG, "the import gave no proper answer");
    if (code < 0)
        return error_phrase_take(e, (int)-code, answer);
    *out = (struct import_result){.line = (uint64_t)json_get_int(answer, "line"),
        .number = (unsigned)json_get_int(answer, "number"),
        .refusal = (enum sql_refusal)refusal,
        .read_error = (int)json_get_int(answer, "read_error")};
    copy(out->table, sizeof out->table, json_get_str(answer, "table"));
    copy(out->state, sizeof out->state, json_get_str(answer, "state"));
    return 0;
}

static int read_answer(
    int fd, const struct server_target *t, struct import_result *out, struct err *e)
{
    off_t size = lseek(fd, 0, SEEK_END);
    if (size <= 0 || size > ANSWER_MAX)
        return err_set(e, EBADMSG, "the import gave no proper answer");
    _cleanup_free_ char *text = xmalloc((size_t)size);
    ssize_t n = pread(fd, text, (size_t)size, 0);
    _cleanup_json_ json_t *answer = n == size ? json_loadb(text, (size_t)n, 0, NULL) : NULL;
    return take_answer(answer, t, out, e);
}

static int say(const struct import_result *r, struct err *e)
{
    struct err words = {0};
    json_t *why;
    if (r->number)
        why = phrase("%s", said_of_theirs(r->number, r->state, &words));
    else if (r->refusal)
        why = phrase_of(sql_refusal_words(r->refusal));
    else if (r->read_error)
        why = phrase("cannot read on: %s", strerror(r->read_error));
    else
        return 0;
    unsigned long long line = r->line;
    json_t *said = *r->table
                       ? phrase("the import failed at line %llu, table %s: %s", line, r->table, "")
                       : phrase("the import failed at line %llu: %s", line, "");
    phrase_set(said, *r->table ? 2 : 1, why);
    (void)error_phrase_set(e, EIO, said);
    return EXIT_INCONSISTENT;
}

/* --- the child --- */

static int watch(struct run *run, struct process *p, int in, struct err *e)
{
    struct err how = {0};
    while (process_wait(p, LOOK_MS, NULL, NULL) != 0) {
        off_t at = lseek(in, 0, SEEK_CUR); /* the same place as the child's; a pipe has none */
        if (at > 0)
            run_progress(run, (uint64_t)at, 0, 0, NULL);
        if (!run_go_on(run)) {
            process_end(p, 0);
            return run_pack_result(PACK_STOPPED, e);
        }
    }
    if (process_good(p))
        return 0;
    return err_outcome(e, EXIT_INCONSISTENT, EIO, "the import %s", process_how(p, &how));
}

static int run_child(
    struct run *run, const struct sandbox *box, int order, int in, int answer, struct err *e)
{
    char order_text[16];
    _cleanup_free_ char *program = process_self();
    _cleanup_fd_ int file = process_self_open(e);
    snprintf(order_text, sizeof order_text, "%d", order);
    const char *argv[] = {program, IMPORT_CHILD, order_text, NULL};
    struct process_options o = {
        .argv = argv, .program = file, .in = in, .out = answer, .keep = order};
    struct process p = {0};
    if (file < 0)
        return file;
    if (!program)
        return err_set(e, EIO, "the file that this program runs from is not known");
    int code = sandbox_start(box, &o, &p, NULL, e);
    return code == 0 ? watch(run, &p, in, e) : code;
}

/* A server that is none of ours on trial: through its socket, or over the network to the one
 * address that it has now; nothing else is seen in there. */
static int open_sandbox(
    struct run *run, const struct server_target *t, struct trial_beside *box, struct err *e)
{
    int code = trial_beside_open(box, run->s.config, t->socket, e);
    if (code < 0 || t->socket)
        return code;
    _cleanup_server_ struct server *s = NULL;
    code = server_connect(t, "elexgate-job", &s, e);
    return code == 0 ? server_address(s, box->host, sizeof box->host, &box->port, e) : code;
}

int import_sql(
    struct run *run, const struct server_target *t, int in, const char *database, struct err *e)
{
    struct trial_beside beside = {.folder = -1};
    struct import_result result = {0};
    _cleanup_fd_ int order = -1, answer = memfd_create("answer", MFD_CLOEXEC);
    int code = t->sandbox ? 0 : open_sandbox(run, t, &beside, e);
    const char *host = t->socket ? NULL : beside.host;
    if (code == 0)
        code = order = write_order(t, host, beside.port, database, e);
    if (code >= 0)
        code = run_child(run, t->sandbox ? t->sandbox : &beside.sandbox, order, in, answer, e);
    if (code == 0)
        code = read_answer(answer, t, &result, e);
    trial_beside_close(&beside);
    return code == 0 ? say(&result, e) : code;
}
