/* The serving side, with the blocking client as the other end, both in one thread: the loop turns
 * whenever the client waits. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/call_filter.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/loop.h"
#include "link/control.h"
#include "link/control_server.h"
#include "link/unix_socket.h"
#include "tests/unit/common/unit.h"

#define MANY (CONTROL_CLIENTS_MAX + 1)

struct site {
    char *dir, *path;
    uv_loop_t loop;
    struct control_server *server;
    struct control_door *door;
    unsigned asked, gone;
    struct control_client *last; /* who asked last; a reference */
};

static void on_request(void *ctx, struct control_client *c, json_t *request)
{
    struct site *s = ctx;
    s->asked++;
    if (s->last)
        control_client_unref(s->last);
    s->last = control_client_ref(c);
    *(unsigned *)control_client_room(c) += 1;
    if (json_get_true(request, "silent"))
        return;
    control_answer(c, json_pack("{s:b, s:i}", "ok", 1, "nth", *(int *)control_client_room(c)));
}

static void on_gone(void *ctx, struct control_client *c)
{
    (void)c;
    ((struct site *)ctx)->gone++;
}

static int set_up(void **state)
{
    struct site *s = xcalloc(1, sizeof *s);
    struct err e = {0};
    const struct control_events events = {on_request, on_gone, s, sizeof(unsigned)};
    s->dir = unit_make_dir();
    s->path = xasprintf("%s/s", s->dir);
    assert_int_equal(loop_init(&s->loop), 0);
    s->server = control_server_new(&s->loop, &events);
    assert_int_equal(control_door_open(s->server, 7, s->path, &s->door, &e), 0);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct site *s = *state;
    if (s->last)
        control_client_unref(s->last);
    control_door_close(s->door);
    control_server_close(s->server);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0); /* every handle was closed */
    unit_remove_dir(s->dir);
    free(s->path);
    free(s);
    return 0;
}

static struct control *join(struct site *s)
{
    struct control *c = NULL;
    struct err e = {0};
    if (control_connect(s->path, 0, &c, &e) < 0)
        fail_msg("%s", e.text);
    return c;
}

static void turn(struct site *s)
{
    for (unsigned i = 0; i < 10; i++)
        uv_run(&s->loop, UV_RUN_NOWAIT);
}

/* The answer, or the error that came in its place. */
static int ask(struct site *s, struct control *c, json_t *request, json_t **answer)
{
    int r = control_send(c, request, NULL);
    json_decref(request);
    turn(s);
    return r == 0 ? control_receive(c, answer, NULL) : r;
}

static void each_has_its_room(void **state)
{
    struct site *s = *state;
    struct control *a = join(s), *b = join(s);
    json_t *answer;
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(ask(s, a, json_pack("{}"), &answer), 0);
        assert_int_equal(json_get_int(answer, "nth"), i);
        json_decref(answer);
    }
    assert_int_equal(ask(s, b, json_pack("{}"), &answer), 0);
    assert_int_equal(json_get_int(answer, "nth"), 1);
    json_decref(answer);
    assert_int_equal(control_client_door(s->last), 7);
    assert_int_equal(control_client_uid(s->last), geteuid());
    assert_true(control_client_owner(s->last) && !control_client_page(s->last));
    control_close(b);
    turn(s);
    assert_int_equal(s->gone, 1);
    assert_null(control_client_ctx(s->last));
    control_answer(s->last, json_pack("{}")); /* dropped, and its memory is still there */
    control_close(a);
}

static void what_is_no_line_is_told(void **state)
{
    struct site *s = *state;
    struct control *c = join(s);
    json_t *answer;
    assert_int_equal(unix_socket_send(control_fd(c), "no json\n", 8, NULL, 0), 8);
    turn(s);
    assert_int_equal(control_receive(c, &answer, NULL), 0);
    assert_string_equal(json_get_str(answer, "code"), "EBADMSG");
    json_decref(answer);
    assert_int_equal(control_receive(c, &answer, NULL), -EPIPE);
    control_close(c);
}

/* Whoever does not read must not grow us without bound. */
static void a_backlog_has_its_bound(void **state)
{
    struct site *s = *state;
    struct control *c = join(s);
    json_t *answer;
    assert_int_equal(ask(s, c, json_pack("{s:b}", "silent", 1), &answer), -ETIMEDOUT);
    char *big = xmalloc(1u << 20);
    memset(big, 'x', 1u << 20);
    unsigned n = 0;
    for (; n < 100 && control_client_ctx(s->last); n++) {
        control_answer(s->last, json_pack("{s:s%}", "text", big, (size_t)1 << 20));
        turn(s);
    }
    assert_in_range(n, 4, 10);
    assert_int_equal(s->gone, 1);
    free(big);
    control_close(c);
}

static void clients_have_a_bound(void **state)
{
    struct site *s = *state;
    struct control *c[MANY];
    json_t *answer;
    for (unsigned i = 0; i < MANY; i++) {
        c[i] = join(s);
        turn(s);
    }
    assert_int_equal(ask(s, c[MANY - 1], json_pack("{}"), &answer), -EPIPE);
    assert_int_equal(ask(s, c[MANY - 2], json_pack("{}"), &answer), 0);
    json_decref(answer);
    for (unsigned i = 0; i < MANY; i++)
        control_close(c[i]);
}

static void count(void *ctx, struct control_client *c)
{
    unsigned *n = ctx; /* ours, and those of others */
    n[!control_client_owner(c)]++;
}

/* However many come at once, or one after the other without end: a turn of the loop ends. */
static void a_turn_takes_few(void **state)
{
    struct site *s = *state;
    struct control *c[CONTROL_ACCEPTED_MAX * 3];
    for (unsigned i = 0; i < CONTROL_ACCEPTED_MAX * 3; i++)
        c[i] = join(s);
    for (unsigned i = 1; i <= 3; i++) {
        unsigned n[2] = {0};
        uv_run(&s->loop, UV_RUN_NOWAIT);
        control_server_each(s->server, count, n);
        assert_int_equal(n[0], i * CONTROL_ACCEPTED_MAX);
    }
    for (unsigned i = 0; i < CONTROL_ACCEPTED_MAX * 3; i++)
        control_close(c[i]);
}

/* As many connections as there are places, by somebody else, who may ask. */
static void take_all_places(const struct site *s, uid_t uid, int ready)
{
    for (unsigned i = 0; setuid(uid) == 0 && i < CONTROL_CLIENTS_MAX; i++) {
        int fd;
        if (unix_socket_connect(s->path, &fd, NULL) < 0)
            _exit(1);
    }
    _exit(write(ready, "x", 1) == 1 ? pause() : 1);
}

static void others_leave_room_for_us(void **state)
{
    static const char *const users[] = {"nobody", "daemon", NULL};
    static const uid_t uids[] = {65534, 1};
    struct site *s = *state;
    pid_t pid[2];
    int ends[2];
    char byte;
    unsigned n[2] = {0};
    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(s->dir, 0755), 0);
    assert_int_equal(pipe(ends), 0);
    control_server_users(s->server, "[x] users", users, NULL);
    for (unsigned i = 0; i < 2; i++) {
        pid[i] = fork();
        if (pid[i] == 0)
            take_all_places(s, uids[i], ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        for (unsigned k = 0; k < 3; k++)
            turn(s);
        memset(n, 0, sizeof n);
        control_server_each(s->server, count, n);
        assert_int_equal(n[1], i ? CONTROL_CLIENTS_OF_OTHERS : CONTROL_CLIENTS_OF_ONE);
    }
    struct control *c = join(s);
    json_t *answer;
    assert_int_equal(ask(s, c, json_pack("{}"), &answer), 0);
    json_decref(answer);
    control_close(c);
    for (unsigned i = 0; i < 2; i++)
        assert_true(kill(pid[i], SIGKILL) == 0 && waitpid(pid[i], NULL, 0) == pid[i]);
    close(ends[0]);
    close(ends[1]);
}

static void hang_up(void *ctx, struct control_client *c)
{
    (void)ctx;
    control_hang_up(c);
}

/* What one step of a round does to the others, as a gate that opens when its holder goes. */
static void hang_up_on_all(void *ctx, struct control_client *c)
{
    struct site *s = ctx;
    (void)c;
    s->asked++;
    control_server_each(s->server, hang_up, NULL);
}

static void a_round_may_hang_up_on_anybody(void **state)
{
    struct site *s = *state;
    struct control *c[5];
    for (unsigned i = 0; i < 5; i++)
        c[i] = join(s);
    turn(s);
    control_server_each(s->server, hang_up_on_all, s);
    assert_int_equal(s->gone, 5);
    assert_int_equal(s->asked, 1);
    for (unsigned i = 0; i < 5; i++)
        control_close(c[i]);
}

static void a_door_has_one_owner(void **state)
{
    struct site *s = *state;
    struct control_door *other;
    struct err e = {0};
    assert_int_equal(control_door_open(s->server, 0, s->path, &other, &e), -EADDRINUSE);
    assert_says(&e, s->path);
    _cleanup_free_ char *name = xasprintf("%s/t", s->dir);
    free(unit_write(s->dir, "t", "", 0, 0600)); /* a file is left over */
    assert_int_equal(control_door_open(s->server, 0, name, &other, &e), 0);
    assert_int_equal(control_door_rename(other, s->path, &e), 0);
    assert_true(control_door_has(other, s->path) && !control_door_has(s->door, s->path));
    control_door_close(s->door); /* leaves the file, which is another's now */
    s->door = NULL;
    turn(s);
    assert_int_equal(access(s->path, F_OK), 0);
    control_door_close(other);
    turn(s);
    assert_int_equal(access(s->path, F_OK), -1);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(control_door_open(s->server, 0, longer, &other, &e), -ENAMETOOLONG);
}

/* Only to who asked for them; and no more than he has room for. */
static void descriptors_come_along(void **state)
{
    struct site *s = *state;
    struct control *c = join(s);
    json_t *answer, *o = json_pack("{s:b}", "ok", 1);
    struct err e = {0};
    int fds[3] = {0, 1, 2}, got[2];
    assert_int_equal(ask(s, c, json_pack("{s:b}", "silent", 1), &answer), -ETIMEDOUT);
    assert_int_equal(control_answer_fds(s->last, o, fds, 3, &e), 0);
    assert_int_equal(control_receive(c, &answer, NULL), 0);
    json_decref(answer);
    assert_int_equal(control_take_fds(c, got), 0);
    control_expect_fds(c, 2);
    assert_int_equal(control_answer_fds(s->last, o, fds, 3, &e), 0);
    assert_int_equal(control_receive(c, &answer, NULL), 0);
    json_decref(answer);
    assert_int_equal(control_take_fds(c, got), 2);
    assert_true(got[0] > 2 && got[1] > 2 && close(got[0]) == 0 && close(got[1]) == 0);
    json_decref(o);
    control_close(c);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    (void)status, (void)events;
    uv_poll_stop(p);
}

/* With a ring of its own, as newer libuvs make them, the loop would abort. */
static void a_loop_goes_on_behind_a_filter(void **state)
{
    int status = 0;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        uv_loop_t loop;
        uv_poll_t poll;
        int ends[2];
        if (loop_init(&loop) != 0 || pipe(ends) != 0 || call_filter_serve(false) != 0 ||
            uv_poll_init(&loop, &poll, ends[0]) != 0 ||
            uv_poll_start(&poll, UV_READABLE, on_poll) != 0 || write(ends[1], "x", 1) != 1)
            _exit(1);
        _exit(uv_run(&loop, UV_RUN_DEFAULT));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_has_its_room),
        TEST(what_is_no_line_is_told),
        TEST(a_backlog_has_its_bound),
        TEST(clients_have_a_bound),
        TEST(a_turn_takes_few),
        TEST(others_leave_room_for_us),
        TEST(a_round_may_hang_up_on_anybody),
        TEST(a_door_has_one_owner),
        TEST(descriptors_come_along),
        cmocka_unit_test(a_loop_goes_on_behind_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
