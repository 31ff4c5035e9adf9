#include "backup/monitor/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "backup/monitor/acts.h"
#include "backup/monitor/kinds.h"
#include "common/clock.h"
#include "common/exit_codes.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "common/process.h"

#define END_MS 10000

static struct job {
    pid_t pid; /* 0 = free */
    uint32_t number;
    bool lasts;
} jobs[MONITOR_JOBS_MAX];

static bool holds_back; /* jobs get only what kinds.c gives them */

/* --- rights ----------------------------------------------------------------------------------- */

static uint64_t effective(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    if (syscall(SYS_capget, &head, data) < 0)
        return 0;
    return data[0].effective | (uint64_t)data[1].effective << 32;
}

/* What a program that root starts gets is the bounding set: of that each job loses the rest. */
bool jobs_rights_begin(struct err *e)
{
    const uint64_t own = UINT64_C(1) << CAP_DAC_READ_SEARCH | UINT64_C(1) << CAP_DAC_OVERRIDE |
                         UINT64_C(1) << CAP_SETPCAP;
    uint64_t have = effective();
    holds_back = have & UINT64_C(1) << CAP_SETPCAP;
    if (geteuid() != 0)
        return true;
    if (!holds_back) {
        err_set(e, EPERM,
            "jobs keep every capability that the keeper was started with: CAP_SETPCAP is not among them (CapabilityBoundingSet in the unit, cap_add in Docker)");
        return false;
    }
    uint64_t keep = have & own;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    /* Permitted they stay: under no_new_privs, which the unit and Docker set, a job has no more. */
    int r = (int)syscall(SYS_capget, &head, data);
    data[0].effective = (uint32_t)keep;
    data[1].effective = (uint32_t)(keep >> 32);
    data[0].inheritable = data[1].inheritable = 0; /* else they come back past the bounding set */
    if (r < 0 || syscall(SYS_capset, &head, data) < 0) {
        err_sys(e, errno, "cannot give up capabilities");
        return false;
    }
    return true;
}

bool jobs_bound(void)
{
    return holds_back || geteuid() != 0;
}

struct hold {
    uint64_t rights;
    bool bound, lasts;
};

/* In the job, before it becomes its program: async-signal-safe calls only. */
static int hold_back(const void *ctx, struct process_failure *f)
{
    const struct hold *h = ctx;
    *f = (struct process_failure){.what = "its rights"};
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    if (h->lasts && prctl(PR_SET_PDEATHSIG, 0) < 0)
        goto failed;
    for (int cap = 0; holds_back && cap < 64; cap++) {
        if (h->rights & UINT64_C(1) << cap || prctl(PR_CAPBSET_READ, cap) <= 0)
            continue;
        if (prctl(PR_CAPBSET_DROP, cap) < 0)
            goto failed;
    }
    if (!h->bound || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        return 0;
failed:
    f->code = errno;
    return -1;
}

/* --- what it reads ---------------------------------------------------------------------------- */

/* The console may write what it likes into its folder: only a plain file of that name is taken, and
 * what stands behind it once it is open. */
static int open_upload(const struct config *c, const char *id, int *out, struct err *e)
{
    struct stat st;
    const char *dir = config_str(c, "console", NULL, "upload_dir");
    _cleanup_fd_ int folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return err_sys(e, errno, "cannot open %s", dir);
    _cleanup_fd_ int fd = openat(folder, id, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(e, ENOENT, "there is no upload %s, or it is not complete", id);
    /* one name: with a second one (link) it may be anybody's file */
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
        return err_set(e, EINVAL, "the upload %s is not a plain file", id);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
        return err_sys(e, errno, "cannot read the upload %s", id);
    *out = fd;
    fd = -1;
    return 0;
}

/* *input: 0 = nothing; else *opened or given. *told: the request that is read there, the caller's.
 */
static int find_input(const struct monitor_request *q, const struct config *c, int given,
    int *opened, int *input, json_t **told, struct err *e)
{
    const struct kind *k = kind_of(q->kind);
    if ((k->input != INPUT_NOTHING) != (given >= 0))
        return err_set(e, EINVAL, "the monitor refuses a job: %s",
            given >= 0 ? N_("it reads nothing") : N_("it reads something, and nothing came"));
    _cleanup_free_ char *upload = kind_upload(q);
    int r = upload                   ? open_upload(c, upload, opened, e)
            : k->input == INPUT_TOLD ? act_read(given, told, opened, e)
                                     : 0;
    *input = *opened >= 0 ? *opened : given >= 0 ? given : 0;
    return r;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static struct job *free_place(uint32_t number)
{
    struct job *place = NULL;
    for (size_t i = 0; i < MONITOR_JOBS_MAX; i++) {
        if (jobs[i].pid && jobs[i].number == number)
            return NULL;
        if (!jobs[i].pid && !place)
            place = &jobs[i];
    }
    return place;
}

int jobs_start(const struct monitor_request *q, const struct config *c, const char *config_path,
    int given, pid_t *pid, int *said, struct err *e)
{
    char **words = NULL;
    _cleanup_fd_ int opened = -1;
    _cleanup_json_ json_t *told = NULL;
    int input = 0, out[2];
    struct job *job = free_place(q->job);
    if (!job)
        return err_set(e, EAGAIN, "%d jobs are going on already", MONITOR_JOBS_MAX);
    int r = kind_words(q, config_path, &words, e);
    if (r == 0)
        r = find_input(q, c, given, &opened, &input, &told, e);
    if (r == 0)
        r = act_allowed(q, told, e);
    if (r == 0 && pipe2(out, O_CLOEXEC) < 0)
        r = err_sys(e, errno, "cannot start %s", words[0]);
    if (r < 0) {
        free_words(words);
        return r;
    }
    const struct kind *k = kind_of(q->kind);
    struct hold hold = {kind_rights(k, c), k->bound, k->lasts};
    struct process_cage cage = {.enter = hold_back, .ctx = &hold};
    struct process_options o = {.argv = (const char *const *)words,
        .in = input,
        .out = out[1],
        .err = PROCESS_OURS,
        .on_death = SIGTERM,
        .cage = &cage};
    struct process p = {0};
    r = process_start(&o, &p, e);
    close(out[1]);
    free_words(words);
    if (r != 0) {
        close(out[0]);
        return r < 0 ? r : -EPERM;
    }
    *job = (struct job){.pid = p.pid, .number = q->job, .lasts = k->lasts};
    *pid = p.pid;
    *said = out[0];
    return 0;
}

int jobs_stop(uint32_t job, struct err *e)
{
    for (size_t i = 0; i < MONITOR_JOBS_MAX; i++)
        if (jobs[i].pid && jobs[i].number == job)
            return kill(jobs[i].pid, SIGTERM) < 0 ? err_sys(e, errno, "cannot end a job") : 0;
    return err_set(e, ESRCH, "there is no such job");
}

bool jobs_reap(struct monitor_event *out)
{
    for (size_t i = 0; i < MONITOR_JOBS_MAX; i++) {
        int status;
        if (!jobs[i].pid || waitpid(jobs[i].pid, &status, WNOHANG) != jobs[i].pid)
            continue;
        int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        *out = (struct monitor_event){.job = jobs[i].number,
            .signal = signal,
            .exit_code = signal ? EXIT_FAILED : WEXITSTATUS(status)};
        jobs[i] = (struct job){0};
        return true;
    }
    return false;
}

static bool any_that_ends(void)
{
    bool any = false;
    for (size_t i = 0; i < MONITOR_JOBS_MAX; i++)
        any |= jobs[i].pid && !jobs[i].lasts;
    return any;
}

void jobs_end(void)
{
    struct monitor_event event;
    uint64_t until = clock_mono_ms() + END_MS;
    for (size_t i = 0; i < MONITOR_JOBS_MAX; i++)
        if (jobs[i].pid && !jobs[i].lasts)
            kill(jobs[i].pid, SIGTERM);
    while (any_that_ends() && clock_mono_ms() < until)
        if (!jobs_reap(&event))
            usleep(10000);
}
