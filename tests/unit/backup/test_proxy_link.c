/* The proxy's control socket as a backup uses it, with a scripted peer for what a real one does not
 * do. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "backup/server/proxy_link.h"

static char *dir;
static char path[100];

struct peer {
    int listener;
    const char *parts[4]; /* sent one after the other, NULL-terminated */
    bool hang_up;         /* at once afterwards; else when the caller does */
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct peer *p = arg;
    char request[4096];
    int fd = accept(p->listener, NULL, NULL);
    ssize_t n = read(fd, request, sizeof request);
    for (int i = 0; n > 0 && p->parts[i]; i++) {
        usleep(20000);
        n = write(fd, p->parts[i], strlen(p->parts[i]));
    }
    while (!p->hang_up && read(fd, request, sizeof request) > 0)
        ;
    close(fd);
    return NULL;
}

static void listen_with(struct peer *p)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(path, sizeof path, "%s/p.sock", dir);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    unlink(path);
    p->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(p->listener, 1), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, serve, p), 0);
}

static void end(struct peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->listener);
}

static int setup(void **state)
{
    (void)state;
    dir = unit_make_dir();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_remove_dir(dir);
    return 0;
}

static int hold(struct peer *p, struct err *e)
{
    struct proxy_hold *h = NULL;
    listen_with(p);
    int r = proxy_hold_take(path, 100, 1000, &h, e);
    assert_true((r == 0) == (h != NULL));
    proxy_hold_release(h);
    end(p);
    return r;
}

static void held_busy_and_nonsense(void **state)
{
    struct err e = {0};
    (void)state;
    struct peer good = {.parts = {"{\"ok\":true,", "\"held\":true}\n"}};
    assert_int_equal(hold(&good, &e), 0);
    struct peer busy = {
        .parts = {"{\"ok\":false,\"code\":\"ETIMEDOUT\",\"error\":\"session 7 works\"}\n"}};
    assert_int_equal(hold(&busy, &e), 1);
    assert_says(&e, "session 7 works");
    struct peer refuses = {.parts = {"{\"ok\":false,\"code\":\"EACCES\",\"error\":\"no\"}\n"}};
    assert_true(hold(&refuses, &e) < 0);
    /* "ok" alone is not "held" */
    struct peer vague = {.parts = {"{\"ok\":true}\n"}};
    assert_true(hold(&vague, &e) < 0);
    struct peer nonsense = {.parts = {"hello\n"}, .hang_up = true};
    assert_true(hold(&nonsense, &e) < 0);
    struct peer gone = {.hang_up = true};
    assert_true(hold(&gone, &e) < 0);
}

static void nobody_there(void **state)
{
    struct err e = {0};
    struct proxy_hold *h = NULL;
    struct proxy_watch *w = NULL;
    (void)state;
    assert_true(proxy_hold_take("/nowhere/p.sock", 100, 100, &h, &e) < 0);
    assert_says(&e, "cannot be asked");
    assert_true(proxy_watch_open("/nowhere/p.sock", &w, &e) < 0);
    assert_null(h);
    assert_null(w);
}

/* Waits until something else than "nothing" comes. */
static int watch_until(struct proxy_watch *w, uint64_t *session, struct err *e)
{
    int r = 0;
    for (int i = 0; i < 200 && r == 0; i++)
        r = proxy_watch_wait(w, 20, session, e);
    return r;
}

static void a_write_in_pieces_among_other_events(void **state)
{
    struct err e = {0};
    struct proxy_watch *w = NULL;
    uint64_t session = 0;
    struct peer p = {.parts = {"{\"ok\":true}\n{\"event\":\"state\",\"state\":\"open\"}\n{\"eve",
                         "nt\":\"write\",\"session\":42}\n"}};
    (void)state;
    listen_with(&p);
    assert_int_equal(proxy_watch_open(path, &w, &e), 0);
    assert_int_equal(watch_until(w, &session, &e), 1);
    assert_int_equal(session, 42);
    assert_int_equal(proxy_watch_wait(w, 20, NULL, &e), 0); /* told once */
    proxy_watch_close(w);
    end(&p);
}

static void a_watch_that_breaks(void **state)
{
    static const char *const parts[] = {NULL, "nonsense\n", "{\"ok\":false,\"error\":\"no\"}\n"};
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct err e = {0};
        struct proxy_watch *w = NULL;
        struct peer p = {.parts = {parts[i]}, .hang_up = i == 0};
        listen_with(&p);
        assert_int_equal(proxy_watch_open(path, &w, &e), 0);
        assert_true(watch_until(w, NULL, &e) < 0);
        proxy_watch_close(w);
        end(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(held_busy_and_nonsense, setup, teardown),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test_setup_teardown(a_write_in_pieces_among_other_events, setup, teardown),
        cmocka_unit_test_setup_teardown(a_watch_that_breaks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
