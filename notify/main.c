/*
 * elexgate-notify [--config FILE] [--json] (--test | --send): see message.h.
 *
 * --send reads the message as a JSON object from standard input; "channels" in it names those that
 * have not got it yet. The last line of --json:
 * {"done":true,"ok":BOOL,"exit":N,"mail":R,"webhook":R} with R null (not configured or not asked
 * for), "sent", or the words of the failure. "warning": a mail went out, but not to all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/json_lines.h"
#include "common/phrase.h"
#include "common/program.h"
#include "notify/message.h"

#define INPUT_MAX (64u * 1024u)

struct run {
    const char *config_path;
    bool json, test, send;
    unsigned sent, failed;
    struct err warning; /* sent, and still somebody was not told */
};

static json_t *read_message(const struct run *run)
{
    static char text[INPUT_MAX];
    if (run->test) {
        json_t *o = json_pack("{s:s, s:s}", "event", "test", "state", "raised");
        phrase_put(o, "title", phrase_of(N_("a test, all is well")));
        phrase_put(
            o, "advice", phrase_of(N_("This message was asked for with elexgate notify --test.")));
        return o;
    }
    size_t n = fread(text, 1, sizeof text, stdin);
    return json_loadb(text, n, 0, NULL);
}

static bool wanted(const json_t *o, const char *channel)
{
    const json_t *channels = json_object_get(o, "channels"), *v;
    size_t i;
    if (!json_is_array(channels))
        return true;
    json_array_foreach (channels, i, v)
        if (json_is_string(v) && strcmp(json_string_value(v), channel) == 0)
            return true;
    return false;
}

typedef int send_fn(const struct config *c, const struct message *m, struct err *e);

struct outcome {
    int r;
    struct err e;
};

/* A process of its own for each channel: it gives up its rights, and the next one needs them to
 * read its secret. */
static int send_apart(send_fn *send, const struct config *c, const struct message *m, struct err *e)
{
    struct outcome out = {0};
    int line[2], status;
    if (pipe2(line, O_CLOEXEC) < 0)
        return err_sys(e, errno, "cannot make a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        out.r = send(c, m, &out.e);
        _exit(write(line[1], &out, sizeof out) == (ssize_t)sizeof out ? 0 : 1);
    }
    close(line[1]);
    ssize_t n = pid < 0 ? -1 : read(line[0], &out, sizeof out);
    close(line[0]);
    if (pid < 0)
        return err_sys(e, errno, "cannot make a process");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)sizeof out)
        return err_set(e, EIO, "what sends ended without a word");
    *e = out.e;
    return out.r;
}

/* result.CHANNEL: null where it was not meant, "sent", or why not. */
static void by(struct run *run, const struct config *c, const json_t *o, const struct message *m,
    const char *channel, send_fn *send, json_t *result)
{
    struct err e = {0};
    int r = wanted(o, channel) ? send_apart(send, c, m, &e) : 1;
    (void)json_object_set_new(result, channel, r == 0 ? json_string("sent") : json_null());
    if (r == 1)
        return;
    run->sent += r == 0;
    run->failed += r < 0;
    if (r == 0 && *e.text)
        run->warning = e;
    if (r < 0)
        error_phrase_put_as(result, channel, &e);
    if (!run->json)
        fprintf(r < 0 ? stderr : stdout, "%s: %s\n", channel, r < 0 ? e.text : "sent");
}

static int tell_result(const struct run *run, int code, const struct err *error, json_t *result)
{
    json_t *o = json_pack("{s:b, s:b, s:i}", "done", 1, "ok", code == EXIT_GOOD, "exit", code);
    if (*error->text)
        error_phrase_put(o, error);
    if (*run->warning.text)
        error_phrase_put_as(o, "warning", &run->warning);
    (void)json_object_update(o, result);
    size_t len;
    _cleanup_free_ char *line = json_line(o, &len);
    if (run->json)
        fwrite(line, 1, len, stdout);
    else if (*error->text || *run->warning.text)
        fprintf(stderr, "elexgate-notify: %s\n", *error->text ? error->text : run->warning.text);
    json_decref(o);
    return fflush(stdout) == 0 ? code : EXIT_FAILED;
}

static int run_all(struct run *run)
{
    struct err e = {0};
    struct config *c = NULL;
    struct message m = {0};
    _cleanup_json_ json_t *result = json_pack("{s:n, s:n}", "mail", "webhook");
    json_t *o = read_message(run);
    int r = o ? config_load(run->config_path, &c, &e)
              : err_set(&e, EBADMSG, "the message is no JSON object");
    if (r == 0)
        r = message_make(o, c, &m, &e);
    if (r == 0) {
        by(run, c, o, &m, "mail", mail_send, result);
        by(run, c, o, &m, "webhook", webhook_send, result);
        if (run->sent == 0 && !run->failed)
            r = err_set(&e, ENOENT, "nobody is to be told: set [notify] mail_to or webhook");
    }
    int code = tell_result(run, r < 0 || run->failed ? EXIT_FAILED : EXIT_GOOD, &e, result);
    message_clear(&m);
    json_decref(o);
    config_free(c);
    return code;
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "usage: elexgate-notify [--config FILE] [--json] (--test | --send)\n";
    struct run run = {0};
    const struct program_option options[] = {{"--json", .flag = &run.json},
        {"--test", .flag = &run.test}, {"--send", .flag = &run.send}, {0}};
    const struct program program = {"elexgate-notify", usage, &run.config_path, .options = options};
    int code = program_begin(&program, argc, argv);
    if (code >= 0)
        return code;
    if (run.test != run.send)
        return run_all(&run);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
