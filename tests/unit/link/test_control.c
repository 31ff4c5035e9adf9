/* The blocking client, against a small server in a thread that plays one script. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "link/control.h"
#include "common/json_get.h"
#include "tests/unit/common/unit.h"

struct server {
    char *dir, *path;
    int fd;
    pthread_t thread;
    bool running;
    const char *answer; /* sent after the first line; NULL: silent until the client goes */
    size_t piece;       /* bytes a send; 0 = all at once */
    char request[4096];
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int c = accept(s->fd, NULL, NULL);
    ssize_t n = recv(c, s->request, sizeof s->request - 1, 0);

    s->request[n > 0 ? n : 0] = '\0';
    if (s->answer) {
        size_t len = strlen(s->answer), piece = s->piece ? s->piece : len;
        for (size_t i = 0; i < len; i += piece)
            if (send(c, s->answer + i, len - i < piece ? len - i : piece, MSG_NOSIGNAL) < 0)
                break;
    } else {
        char byte;
        while (recv(c, &byte, 1, 0) > 0)
            ;
    }
    close(c);
    return NULL;
}

static int make(void **state)
{
    struct server *s = xcalloc(1, sizeof *s);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    s->dir = unit_make_dir();
    s->path = xasprintf("%s/s", s->dir);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(s->fd, 0), 0);
    *state = s;
    return 0;
}

static void start(struct server *s, const char *answer, size_t piece)
{
    s->answer = answer;
    s->piece = piece;
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    s->running = true;
}

static int clean(void **state)
{
    struct server *s = *state;

    if (s->running)
        pthread_join(s->thread, NULL);
    close(s->fd);
    unit_remove_dir(s->dir);
    free(s->path);
    free(s);
    return 0;
}

static int call(struct server *s, int timeout_ms, json_t **answer, struct err *e)
{
    json_t *request = json_pack("{s:s}", "cmd", "status");
    int r = control_call(s->path, timeout_ms, request, answer, e);

    json_decref(request);
    return r;
}

static void asks_and_takes_the_answer(void **state)
{
    struct server *s = *state;
    json_t *answer = NULL;
    struct err e = {0};

    start(s, "{\"ok\":true,\"state\":\"open\"}\n", 1);
    assert_int_equal(call(s, 5000, &answer, &e), 0);
    assert_string_equal(json_get_str(answer, "state"), "open");
    json_decref(answer);
    assert_string_equal(s->request, "{\"cmd\":\"status\"}\n");
}

static void a_refusal_becomes_an_error(void **state)
{
    json_t *answer = NULL;
    struct err e = {0};

    start(*state, "{\"ok\":false,\"code\":\"EBUSY\",\"error\":\"another run\"}\n", 0);
    assert_int_equal(call(*state, 5000, &answer, &e), -EBUSY);
    assert_string_equal(e.text, "another run");
    assert_null(answer);
}

static void an_answer_without_ok(void **state)
{
    json_t *answer = NULL;
    struct err e = {0};

    start(*state, "{\"state\":\"open\"}\n", 0);
    assert_int_equal(call(*state, 5000, &answer, &e), -EPROTO);
    assert_null(answer);
}

static void the_peer_hangs_up(void **state)
{
    json_t *answer = NULL;
    struct err e = {0};

    start(*state, "{\"ok\":tr", 0);
    assert_int_equal(call(*state, 5000, &answer, &e), -EPIPE);
    assert_says(&e, "closed the connection");
}

static void the_peer_talks_rubbish(void **state)
{
    json_t *answer = NULL;
    struct err e = {0};

    start(*state, "HTTP/1.1 400 Bad Request\r\n\r\n", 0);
    assert_int_equal(call(*state, 5000, &answer, &e), -EBADMSG);
    assert_says(&e, ((struct server *)*state)->path);
}

static void the_peer_is_silent(void **state)
{
    json_t *answer = NULL;
    struct err e = {0};
    uint64_t before = clock_mono_ms();

    start(*state, NULL, 0);
    assert_int_equal(call(*state, 100, &answer, &e), -ETIMEDOUT);
    assert_true(clock_mono_ms() - before >= 100);
    assert_says(&e, "within 100 ms");
}

/* Nobody accepts: the queue fills up, and connecting must end by its timeout too. */
static void nobody_accepts(void **state)
{
    struct server *s = *state;
    struct control *c[64] = {NULL};
    struct err e = {0};
    int r = 0, n;

    for (n = 0; n < 64 && r == 0; n++)
        r = control_connect(s->path, 50, &c[n], &e);
    assert_int_equal(r, -ETIMEDOUT);
    assert_null(c[n - 1]);
    for (int i = 0; i < n; i++)
        control_close(c[i]);
}

static void nothing_is_there(void **state)
{
    struct server *s = *state;
    struct control *c = NULL;
    struct err e = {0};
    char *missing = xasprintf("%s/missing", s->dir), too_long[200];

    assert_int_equal(control_connect(missing, 100, &c, &e), -ENOENT);
    assert_says(&e, missing);
    memset(too_long, 'x', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_int_equal(control_connect(too_long, 100, &c, &e), -ENAMETOOLONG);
    close(s->fd); /* the file stays, nobody listens */
    assert_int_equal(control_connect(s->path, 100, &c, &e), -ECONNREFUSED);
    s->fd = dup(2);
    assert_null(c);
    free(missing);
}

static void a_stream_of_objects(void **state)
{
    struct server *s = *state;
    struct control *c = NULL;
    struct err e = {0};
    json_t *request = json_pack("{s:s}", "cmd", "watch"), *o = NULL;

    start(s, "{\"n\":1}\n{\"n\":2}\n{\"n\":3,\"done\":true}\n", 5);
    assert_int_equal(control_connect(s->path, 5000, &c, &e), 0);
    control_set_timeout(c, -1);
    assert_true(control_fd(c) >= 0);
    assert_int_equal(control_send(c, request, &e), 0);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(control_receive(c, &o, &e), 0);
        assert_int_equal(json_get_int(o, "n"), i);
        json_decref(o);
    }
    assert_int_equal(control_receive(c, &o, &e), -EPIPE);
    control_close(c);
    control_close(NULL);
    json_decref(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_and_takes_the_answer, make, clean),
        cmocka_unit_test_setup_teardown(a_refusal_becomes_an_error, make, clean),
        cmocka_unit_test_setup_teardown(an_answer_without_ok, make, clean),
        cmocka_unit_test_setup_teardown(the_peer_hangs_up, make, clean),
        cmocka_unit_test_setup_teardown(the_peer_talks_rubbish, make, clean),
        cmocka_unit_test_setup_teardown(the_peer_is_silent, make, clean),
        cmocka_unit_test_setup_teardown(nobody_accepts, make, clean),
        cmocka_unit_test_setup_teardown(nothing_is_there, make, clean),
        cmocka_unit_test_setup_teardown(a_stream_of_objects, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
