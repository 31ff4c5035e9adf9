#include "backup/job/restore/site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/doctor/doctor_grants.h"
#include "backup/job/restore/holder.h"
#include "backup/job/trial/server_program.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/error_phrase.h"

#define STAYS_MS 3000 /* a server that starts in vain lets go of its files sooner */

enum site_server site_ask(const struct run *run, struct server **out, struct err *why)
{
    int code = server_connect(&run->s.target, "elexgate-job", out, why);
    return code == 0 ? SITE_ANSWERS : code == -EPIPE ? SITE_SILENT : SITE_REFUSES;
}

void site_clear(struct site *s)
{
    layout_clear(&s->layout);
    layout_memory_clear(&s->was);
}

/* The server's own words on its files, as long as it has any. */
static int ask_layout(struct run *run, struct site *s, struct err *e)
{
    _cleanup_server_ struct server *server = NULL;
    const char *datadir = config_str(run->s.config, "backup", NULL, "datadir");
    s->server = site_ask(run, &server, &s->why);
    if (s->server != SITE_ANSWERS)
        return 1;
    int code = layout_read(server, datadir, &s->layout, &s->why);
    if (code == 0) {
        layout_remember(&run->s, server, &s->layout);
        if (layout_tables(server, &s->layout, &s->tables) == 0)
            s->tables.code = 0;
    }
    s->known = code == 0;
    if (code == 1) {
        *e = s->why;
        return EXIT_REFUSED;
    }
    return code == 0 ? 0 : 1; /* it answers, and its files are gone or its tables damaged */
}

static int recall_layout(struct run *run, struct site *s, struct err *e)
{
    const char *datadir = config_str(run->s.config, "backup", NULL, "datadir");
    const struct layout *was = &s->was.layout;
    if (!datadir && !s->was.where)
        return err_outcome(e, EXIT_REFUSED, ENOENT,
            N_("the server does not say where its files are (%s), and no backup was made here from which that is known: set [backup] datadir, for example /var/lib/mysql"),
            err_words(&s->why));
    /* since it was seen the system may have got a newer one, which is the one that will start */
    char *installed = server_program_version(
        run->s.config, config_str(run->s.config, "drill", NULL, "server_program"));
    s->layout = (struct layout){.datadir = xstrdup(datadir ? datadir : was->datadir),
        .version = installed      ? installed
                   : was->version ? xstrdup(was->version)
                                  : NULL,
        .page_size = was->page_size,
        .lower_case_table_names = s->was.where ? was->lower_case_table_names : -1,
        .settings = json_incref(was->settings)};
    s->known = s->was.where != NULL;
    for (size_t n = strlen(s->layout.datadir); n > 1 && s->layout.datadir[n - 1] == '/'; n--)
        s->layout.datadir[n - 1] = '\0';
    run_note("the server cannot be asked (%s): the restore goes by %s; the data directory is %s",
        err_words(&s->why),
        s->known ? N_("what was known of it") : N_("the configuration and the archive"),
        s->layout.datadir);
    return 0;
}

int site_look(struct run *run, struct site *out, struct err *e)
{
    *out = (struct site){0};
    int code = layout_recall(&run->s, &out->was, e);
    if (code >= 0)
        code = ask_layout(run, out, e);
    return code == 1 ? recall_layout(run, out, e) : code;
}

void site_remember(struct run *run)
{
    struct site now = {0};
    int code = ask_layout(run, &now, &now.why);
    (void)code;
    site_clear(&now);
}

bool site_has_data(const struct site *s)
{
    _cleanup_free_ char *path = xasprintf("%s/ibdata1", s->layout.datadir);
    return s->server == SITE_ANSWERS || access(path, F_OK) == 0;
}

static int refuse(const char *english, const struct err *why, struct err *e)
{
    json_t *said = json_pack("[oo*]", phrase_of(english), error_phrase_json(why));
    (void)error_phrase_set(e, EACCES, said);
    return EXIT_REFUSED;
}

/* By SQL, which shows only when clients are out already. */
static int may_stop(struct run *run, struct server *s, struct err *e)
{
    static const char *const needed[] = {"SHUTDOWN", NULL};
    _cleanup_free_ char *missing = NULL;
    const char *user = run->s.target.user, *host = doctor_grants_host(&run->s);
    int code = doctor_grants_missing(s, needed, &missing, e);
    if (code < 0 || !*missing)
        return code;
    return err_outcome(e, EXIT_REFUSED, EACCES,
        N_("the admin account may not stop the server, which the restore needs; run once: GRANT SHUTDOWN ON *.* TO '%s'@'%s' (or set [restore] stop_command)"),
        user, host);
}

int site_can_stop(struct run *run, const char *datadir, struct err *e)
{
    struct server *s = NULL;
    struct err why = {0};
    if (config_list(run->s.config, "restore", NULL, "stop_command")[0])
        return 0;
    enum site_server server = site_ask(run, &s, &why);
    int may = server == SITE_ANSWERS ? may_stop(run, s, e) : 0;
    server_close(s);
    if (server == SITE_ANSWERS)
        return may;
    pid_t pid = holder_that_stays(datadir, STAYS_MS);
    if (server == SITE_REFUSES && pid > 0)
        return 0; /* by its process */
    if (server == SITE_REFUSES)
        return refuse(
            N_("the server runs and does not let the keeper in, so nothing here can stop it; set [restore] stop_command, or put the account right (`elexgate doctor`)"),
            &why, e);
    if (pid == 0)
        return 0;
    struct layout_memory was = {0};
    _cleanup_free_ char *where = server_where(&run->s.target);
    int code = pid > 0 ? layout_recall(&run->s, &was, e) : 1;
    bool worked = code == 0 && strcmp(was.where, where) == 0; /* its socket was removed, it hangs */
    layout_memory_clear(&was);
    if (code < 0 || worked)
        return code < 0 ? code : 0;
    return refuse(
        N_("a server has the data directory open, and nothing answers where the configuration looks for it: put [database] socket, host and port right, or stop that server first"),
        &why, e);
}

static bool is_empty(const char *path)
{
    _cleanup_dir_ DIR *d = opendir(path);
    const struct dirent *de;
    bool empty = d != NULL;
    while (d && (de = readdir(d)))
        empty &= !strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") ||
                 !strcmp(de->d_name, "lost+found");
    return empty;
}

/* Whose a data directory is that is gone: as it was, else the server's own user. */
static void owner_of_data(const struct site *s, const struct stat *parent, struct stat *out)
{
    const struct passwd *mysql = s->was.where ? NULL : getpwnam("mysql");
    out->st_uid = s->was.where ? s->was.uid : mysql ? mysql->pw_uid : parent->st_uid;
    out->st_gid = s->was.where ? s->was.gid : mysql ? mysql->pw_gid : parent->st_gid;
    out->st_mode = s->was.where ? s->was.mode : 0750;
}

int site_make_folder(
    const struct site *s, const char *path, bool database, bool *made, struct err *e)
{
    struct stat st, parent;
    bool there = stat(path, &st) == 0;
    *made = false;
    if (there && (!database || s->server == SITE_ANSWERS || !is_empty(path)))
        return 0;
    if (there && !s->was.where && st.st_uid != 0)
        return 0; /* somebody has given it to the server, whose user may have no name here */
    if (!there && errno != ENOENT)
        return err_sys(e, errno, "cannot look at %s", path);
    _cleanup_free_ char *above = file_parent(path);
    if (stat(above, &parent) < 0)
        return err_sys(e, errno, "cannot find %s, in which %s is to be made", above, path);
    if (database)
        owner_of_data(s, &parent, &st);
    else
        st = parent;
    if (!there && mkdir(path, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", path);
    *made = !there;
    _cleanup_fd_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0))
        return err_sys(e, errno, "cannot give %s to its owner", path);
    return fchmod(fd, st.st_mode & 07777) < 0 ? err_sys(e, errno, "cannot set the mode of %s", path)
                                              : 0;
}
