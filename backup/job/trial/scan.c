/* The half that does not meet the text. */
#include "backup/job/trial/scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/file.h"
#include "common/json_get.h"
#include "common/reckoner.h"
#include "common/utf8.h"

#define ANSWER_MAX (256u * 1024u)
#define END_MS     60000 /* it has all but the last piece behind it */

struct scan {
    struct process child;
    int to, answer;
};

int scan_begin(const char *database, struct scan **out, struct err *e)
{
    int ends[2];
    const char *words[] = {SCAN_CHILD, database, NULL};
    struct scan *s = xcalloc(1, sizeof *s);
    s->to = -1;
    s->answer = memfd_create("answer", MFD_CLOEXEC);
    if (s->answer < 0 || pipe2(ends, O_CLOEXEC) < 0) {
        scan_drop(s);
        return err_sys(e, errno, "cannot make a pipe");
    }
    s->to = ends[1];
    int code = reckoner_start(words, ends[0], s->answer, &s->child, e);
    close(ends[0]);
    if (code < 0) {
        scan_drop(s);
        return code;
    }
    *out = s;
    return 0;
}

static int ended_early(struct scan *s, struct err *e)
{
    struct err how = {0};
    process_end(&s->child, 0);
    return err_set(
        e, EIO, "the program that looks through the SQL text %s", process_how(&s->child, &how));
}

int scan_feed(struct scan *s, const void *data, size_t n, struct err *e)
{
    return fd_write_all(s->to, data, n, NULL) < 0 ? ended_early(s, e) : 0;
}

static void copy(char *to, size_t size, const json_t *answer, const char *key)
{
    const char *from = json_get_str(answer, key);
    utf8_copy(to, size, from ? from : "");
}

static bool take_needs(const json_t *list, struct sql_scan *out)
{
    size_t i;
    json_t *one;
    json_array_foreach ((json_t *)(uintptr_t)list, i, one) {
        const char *name = json_string_value(json_array_get(one, 0));
        if (!name || out->n_needs == SQL_SCAN_NEEDS)
            return false;
        struct sql_scan_need *n = &out->needs[out->n_needs++];
        utf8_copy(n->name, sizeof n->name, name);
        n->collation = json_is_true(json_array_get(one, 1));
        n->line = (uint64_t)json_integer_value(json_array_get(one, 2));
    }
    return true;
}

static bool take_answer(const json_t *answer, struct sql_scan *out)
{
    json_int_t refused = json_get_int(answer, "refused");
    if (!json_is_object(answer) || refused < 0 || refused > SQL_OPEN ||
        !json_is_integer(json_object_get(answer, "refused")))
        return false;
    *out = (struct sql_scan){.lines = (uint64_t)json_get_int(answer, "lines"),
        .statements = (uint64_t)json_get_int(answer, "statements"),
        .n_tables = (size_t)json_get_int(answer, "tables"),
        .other_line = (uint64_t)json_get_int(answer, "other_line"),
        .long_line = (uint64_t)json_get_int(answer, "long_line"),
        .account_line = (uint64_t)json_get_int(answer, "account_line"),
        .gtid_line = (uint64_t)json_get_int(answer, "gtid_line"),
        .refused = (enum sql_refusal)refused,
        .refused_line = (uint64_t)json_get_int(answer, "refused_line"),
        .complete = json_get_true(answer, "complete")};
    copy(out->other, sizeof out->other, answer, "other");
    copy(out->command, sizeof out->command, answer, "command");
    copy(out->server, sizeof out->server, answer, "server");
    return take_needs(json_object_get(answer, "needs"), out);
}

int scan_end(struct scan *s, struct sql_scan *out, struct err *e)
{
    cleanup_fd(&s->to);
    if (process_wait(&s->child, END_MS, NULL, NULL) != 0 || !process_good(&s->child))
        return ended_early(s, e);
    _cleanup_free_ char *text = xmalloc(ANSWER_MAX);
    ssize_t n = pread(s->answer, text, ANSWER_MAX, 0);
    json_t *answer = n > 0 ? json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
    bool good = answer && take_answer(answer, out);
    json_decref(answer);
    return good ? 0
                : err_set(e, EBADMSG,
                      "the program that looks through the SQL text gave no proper answer");
}

void scan_drop(struct scan *s)
{
    if (!s)
        return;
    process_end(&s->child, 0);
    cleanup_fd(&s->to);
    cleanup_fd(&s->answer);
    free(s);
}
