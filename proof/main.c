/*
 * elexgate-proof: gives the gate, for [listen NAME] zero_config_proof, the proof of its own
 * certificate at each login. A process and a user of its own, because it may read what the database
 * server keeps of passwords, which nothing that faces the network should. One thread, one request a
 * connection, one after the other: each takes well below a millisecond.
 */
#include <poll.h>
#include <signal.h>
#include "common/log.h"
#include "common/program.h"
#include "common/systemd.h"
#include "proof/service.h"

static volatile sig_atomic_t stopping;

static void on_stop(int number)
{
    (void)number;
    stopping = 1;
}

/* The signals that end it arrive only while it waits for a connection. */
static void catch_signals(sigset_t *while_waiting)
{
    sigset_t blocked;
    struct sigaction stop = {.sa_handler = on_stop};
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, while_waiting) == 0);
    CHECK(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
}

static const char usage[] =
    "usage: elexgate-proof [--config FILE]\n\n"
    "Lets MariaDB 11.4+ clients trust the gate's certificate without a CA; serves\n"
    "[listen NAME] zero_config_proof. See elexgate-proof(8).\n\n"
    "  -c, --config FILE  configuration (default /etc/elexgate/elexgate.ini)\n"
    "  -h, --help         this text\n"
    "  -V, --version      the version\n";

static void serve(struct service *s)
{
    sigset_t while_waiting;
    catch_signals(&while_waiting);
    systemd_tell("READY=1");
    log_event(LOG_INFO, "ready", LOG_S("version", ELEXGATE_VERSION));
    while (!stopping) {
        struct pollfd p = {.fd = service_fd(s), .events = POLLIN};
        if (ppoll(&p, 1, NULL, &while_waiting) == 1)
            service_one(s);
    }
    log_event(LOG_INFO, "stopped");
}

int main(int argc, char **argv)
{
    const char *config_path = NULL;
    struct service *s;
    struct err e;
    const struct program program = {"elexgate-proof", usage, &config_path};
    int r = program_begin(&program, argc, argv);
    if (r >= 0)
        return r;
    r = service_open(config_path, &s, &e);
    if (r < 0) {
        log_err(LOG_ERROR, "cannot-start", &e);
        return 1;
    }
    serve(s);
    service_close(s);
    return 0;
}
