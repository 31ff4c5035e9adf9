#include "common/metrics_text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "common/clock.h"
#include "common/json_get.h"
#include "common/phrase.h"

/* Where a number is found and what it is called. Rows of one metric stand together: its HELP and
 * TYPE are written once. */
struct metric {
    const char *name, *type, *help;
    const char *labels; /* "" or "{...}" */
    const char *path;   /* "totals.logins_ok" */
    double scale;       /* 0.001 makes seconds of milliseconds */
};

static const struct metric proxy_metrics[] = {
    {"elexgate_sessions", "gauge", "Clients that are logged in.", "", "sessions", 1},
    {"elexgate_logins_pending", "gauge", "Connections that have not logged in yet.", "",
        "logins_pending", 1},
    {"elexgate_workers", "gauge", "Threads that relay.", "", "workers", 1},
    {"elexgate_connections_accepted_total", "counter", "Connections that were let in.", "",
        "totals.accepted", 1},
    {"elexgate_tls_handshakes_total", "counter", "TLS handshakes by result.", "{result=\"ok\"}",
        "totals.handshakes_ok", 1},
    {"elexgate_tls_handshakes_total", "", "", "{result=\"failed\"}", "totals.handshakes_failed", 1},
    {"elexgate_tls_resumed_total", "counter", "TLS handshakes that resumed an earlier session.", "",
        "totals.resumed", 1},
    {"elexgate_tls_versions_total", "counter", "Finished TLS handshakes by version.",
        "{version=\"TLSv1.3\"}", "totals.tls13", 1},
    {"elexgate_tls_versions_total", "", "", "{version=\"TLSv1.2\"}", "totals.tls12", 1},
    {"elexgate_tls_versions_total", "", "", "{version=\"older\"}", "totals.tls_older", 1},
    {"elexgate_logins_total", "counter", "Logins by result.", "{result=\"ok\"}", "totals.logins_ok",
        1},
    {"elexgate_logins_total", "", "", "{result=\"failed\"}", "totals.logins_failed", 1},
    {"elexgate_server_blocked_total", "counter",
        "Connections that the database server refused for max_connect_errors (1129).", "",
        "totals.server_blocked", 1},
    {"elexgate_server_logins_cut_total", "counter",
        "Connections to the database server that had to be cut before their login.", "",
        "totals.server_logins_cut", 1},
    {"elexgate_client_bytes_total", "counter", "Bytes from (in) and to (out) clients.",
        "{direction=\"in\"}", "totals.bytes_in", 1},
    {"elexgate_client_bytes_total", "", "", "{direction=\"out\"}", "totals.bytes_out", 1},
    {"elexgate_statements_total", "counter", "Statements by what they may do.", "{kind=\"read\"}",
        "totals.statements_read", 1},
    {"elexgate_statements_total", "", "", "{kind=\"write\"}", "totals.statements_write", 1},
    {"elexgate_idle_seconds", "gauge", "Time since the last statement, of any kind or writing.",
        "{since=\"statement\"}", "idle.statement_ms", 0.001},
    {"elexgate_idle_seconds", "", "", "{since=\"write\"}", "idle.write_ms", 0.001},
    {"elexgate_statements_in_flight", "gauge", "Sessions with a statement under way.", "",
        "idle.in_flight", 1},
    {"elexgate_transactions_open", "gauge", "Sessions with an open transaction.", "",
        "idle.transactions", 1},
    {"elexgate_transactions_unknown", "gauge",
        "Sessions whose last answer, an error, left open whether a transaction is.", "",
        "idle.transactions_unknown", 1},
    {"elexgate_warnings", "gauge", "Warnings that elexgate status shows.", "", "warnings", 1},
    {0},
};

static const struct metric keeper_metrics[] = {
    {"elexgate_backup_folder_free_bytes", "gauge", "Free space for archives.", "", "free", 1},
    {0},
};

struct out {
    FILE *f;
    const char *family; /* the metric whose HELP has been written last */
    int64_t now_ms;
};

static void sample(struct out *o, const char *name, const char *type, const char *help,
    const char *labels, double value)
{
    bool whole = value > -9e15 && value < 9e15 && value == (double)(int64_t)value;
    if (!o->family || strcmp(o->family, name) != 0)
        fprintf(o->f, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
    o->family = name;
    fprintf(o->f, whole ? "%s%s %.0f\n" : "%s%s %.15g\n", name, labels, value);
}

/* A label's value: backslash, quote and newline are escaped as the format wants it. */
static void put_label(FILE *f, const char *name, const char *value)
{
    fprintf(f, "%s=\"", name);
    for (const char *p = value; *p; p++)
        if (*p == '\n')
            fputs("\\n", f);
        else
            fprintf(f, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
    fputc('"', f);
}

static char *labels_of(const char *const *names, const char *const *values, size_t count)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    CHECK(f);
    for (size_t i = 0; i < count; i++) {
        fputc(i ? ',' : '{', f);
        put_label(f, names[i], values[i]);
    }
    fputc('}', f);
    CHECK(fclose(f) == 0);
    return text;
}

/* One gauge of its own. */
static void gauge(struct out *o, const char *name, const char *help, double value)
{
    sample(o, name, "gauge", help, "", value);
}

static void gauge_by(struct out *o, const char *name, const char *help, const char *label_name,
    const char *label_value, double value)
{
    _cleanup_free_ char *labels = labels_of(&label_name, &label_value, 1);
    sample(o, name, "gauge", help, labels, value);
}

static const json_t *find_member(const json_t *o, const char *path)
{
    char key[64];
    while (o) {
        size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        o = json_object_get(o, key);
        if (!path[n])
            return o;
        path += n + 1;
    }
    return NULL;
}

static const char *text(const json_t *o, const char *path)
{
    const char *s = json_string_value(find_member(o, path));
    return s ? s : "";
}

static void table(struct out *o, const struct metric *m, const json_t *status)
{
    const struct metric *head = m;
    for (; m->name; m++) {
        if (*m->type)
            head = m;
        const json_t *v = find_member(status, m->path);
        if (!json_is_number(v) && !json_is_array(v))
            continue;
        double n = json_is_array(v) ? (double)json_array_size(v) : json_number_value(v);
        sample(o, m->name, head->type, head->help, m->labels, n * m->scale);
    }
}

static void one_of(
    struct out *o, const char *name, const char *help, const char *const *states, const char *now)
{
    for (; *states; states++)
        gauge_by(o, name, help, "state", *states, strcmp(*states, now) == 0);
}

static void refused(struct out *o, const json_t *status)
{
    const char *reason;
    json_t *v, *by = json_object_get(json_object_get(status, "totals"), "refused_by");
    json_object_foreach (by, reason, v) {
        _cleanup_free_ char *labels = labels_of((const char *const[]){"reason"}, &reason, 1);
        sample(o, "elexgate_connections_refused_total", "counter",
            "Connections that were turned away, by reason.", labels, json_number_value(v));
    }
}

static void loops(struct out *o, const json_t *status)
{
    const json_t *all = json_object_get(status, "loops"), *l;
    size_t i;
    json_array_foreach (all, i, l)
        gauge_by(o, "elexgate_queue_depth", "Work handed to a thread and not begun yet.", "loop",
            text(l, "name"), json_number_value(json_object_get(l, "queue")));
    json_array_foreach (all, i, l)
        gauge_by(o, "elexgate_loop_lag_seconds",
            "How late the worst timer of the last half to one minute was.", "loop", text(l, "name"),
            json_number_value(json_object_get(l, "lag_us")) * 1e-6);
}

/* The moment in seconds since 1970, and how long ago it is. false: there is none. */
static bool moment(struct out *o, const json_t *status, const char *path, double *at, double *age)
{
    int64_t ms;
    const char *iso = json_string_value(find_member(status, path));
    if (!iso || clock_parse(iso, &ms) < 0)
        return false;
    *at = (double)ms / 1000;
    *age = (double)(o->now_ms - ms) / 1000;
    return true;
}

static void certificate(struct out *o, const json_t *status)
{
    double at, age;
    if (!moment(o, status, "certificate.not_after", &at, &age))
        return;
    gauge(o, "elexgate_certificate_not_after_timestamp_seconds", "When the certificate ends.", at);
    gauge(o, "elexgate_certificate_expires_in_seconds",
        "Time until the certificate ends; below zero: it has ended.", -age);
}

/* [backend NAME]; none where there is only the one of [database]. */
static void backends(struct out *o, const json_t *status)
{
    const json_t *all = json_object_get(status, "backends"), *b;
    size_t i;
    json_array_foreach (all, i, b) {
        const char *state = text(b, "state");
        gauge_by(o, "elexgate_backend_up", "1: the database server answers.", "backend",
            text(b, "name"), strcmp(state, "down") != 0 && strcmp(state, "unknown") != 0);
    }
    json_array_foreach (all, i, b) {
        const char *state = text(b, "state");
        gauge_by(o, "elexgate_backend_writable",
            "1: it can be written to, as far as is known (without a probe account: it answers).",
            "backend", text(b, "name"),
            strcmp(state, "writable") == 0 || strcmp(state, "alive") == 0);
    }
    json_array_foreach (all, i, b)
        gauge_by(o, "elexgate_backend_in_use", "1: new sessions go to this database server.",
            "backend", text(b, "name"), json_get_true(b, "active"));
}

static void proxy(struct out *o, const json_t *s)
{
    static const char *const states[] = {"open", "draining", "blocked", NULL};
    one_of(
        o, "elexgate_gate_state", "1 for the state that the gate is in.", states, text(s, "state"));
    table(o, proxy_metrics, s);
    refused(o, s);
    loops(o, s);
    backends(o, s);
    certificate(o, s);
}

/* The result of the newest run of a kind. */
static void last_run(struct out *o, const json_t *run, const char *success, const char *help)
{
    if (json_is_object(run))
        gauge(o, success, help, json_get_int(run, "exit") == 0);
}

static void archives(struct out *o, const json_t *run)
{
    size_t i;
    const json_t *a, *all = json_object_get(run, "archives");
    json_array_foreach (all, i, a)
        if (json_is_number(json_object_get(a, "size")))
            gauge_by(o, "elexgate_backup_size_bytes", "Size of the last good backup's archives.",
                "type", text(a, "type"), json_number_value(json_object_get(a, "size")));
}

static void backup(struct out *o, const json_t *s)
{
    double at, age, ended, unused;
    last_run(o, json_object_get(s, "last_backup"), "elexgate_backup_last_success",
        "1: the last backup succeeded; 0: it failed or was skipped.");
    if (moment(o, s, "last_good_backup.started", &at, &age)) {
        gauge(o, "elexgate_backup_last_success_timestamp_seconds",
            "When the last good backup began.", at);
        gauge(o, "elexgate_backup_age_seconds", "Age of the last good backup.", age);
        if (moment(o, s, "last_good_backup.ended", &ended, &unused))
            gauge(o, "elexgate_backup_duration_seconds", "How long the last good backup took.",
                ended - at);
        archives(o, json_object_get(s, "last_good_backup"));
    }
    if (moment(o, s, "schedule.next", &at, &age))
        gauge(o, "elexgate_backup_next_timestamp_seconds", "When the next backup is due.", at);
    gauge(o, "elexgate_backup_waiting_seconds",
        "How long a due backup has been waiting for the database to be idle; 0: none waits.",
        moment(o, s, "pending.due", &at, &age) ? age : 0);
}

static void drill(struct out *o, const json_t *s)
{
    double at, age;
    const json_t *last = json_object_get(s, "last_drill");
    last_run(o, last, "elexgate_drill_last_success",
        "1: the last drill brought the backup back; 0: it did not.");
    if (moment(o, s, "last_drill.started", &at, &age))
        gauge(o, "elexgate_drill_age_seconds", "Time since the last drill.", age);
}

static void restore(struct out *o, const json_t *s)
{
    double at, age;
    if (moment(o, s, "job.blocked_since", &at, &age))
        gauge(o, "elexgate_restore_blocked_seconds",
            "How long clients have been kept out for the restore that is going on.", age);
    last_run(o, json_object_get(s, "last_restore"), "elexgate_restore_last_success",
        "1: the last restore succeeded; 0: it failed.");
}

static void binlog(struct out *o, const json_t *s)
{
    double at, age;
    const json_t *b = json_object_get(s, "binlog");
    if (!json_is_object(b))
        return;
    last_run(o, json_object_get(s, "last_chain"), "elexgate_binlog_chain_last_success",
        "1: the backup before and the binary log came to the newest backup; 0: the chain is broken, or was not tried.");
    gauge(o, "elexgate_binlog_following",
        "1: the server's binary log is being archived; 0: that stands still.",
        strcmp(json_get_text(b, "state"), "following") == 0);
    if (moment(o, s, "binlog.saved", &at, &age))
        gauge(o, "elexgate_binlog_archived_timestamp_seconds",
            "Everything that was committed up to then is in the archive.", at);
}

static void notify(struct out *o, const json_t *s)
{
    const json_t *n = json_object_get(s, "notify");
    if (!json_is_object(n))
        return;
    gauge(o, "elexgate_notify_working",
        "1: somebody is told when something fails; 0: nobody is, or the last message did not arrive.",
        json_get_true(n, "good"));
    gauge(o, "elexgate_notify_waiting", "Messages that could not be sent yet.",
        json_number_value(json_object_get(n, "waiting")));
}

/* The title is there in each language: title, and title_CODE. */
static char *finding_labels(const json_t *f)
{
    const char *names[3 + LANG_COUNT] = {"code", "level", "title"};
    const char *values[3 + LANG_COUNT] = {text(f, "code"), text(f, "level"), text(f, "title")};
    char own[LANG_COUNT][12], *title[LANG_COUNT] = {0};
    size_t n = 3;
    for (enum lang lang = LANG_DE; lang < LANG_COUNT; lang++) {
        snprintf(own[lang], sizeof own[lang], "title_%s", lang_code(lang));
        names[n] = own[lang];
        values[n++] = title[lang] = phrase_in(lang, f, "title");
    }
    char *labels = labels_of(names, values, n);
    for (enum lang lang = LANG_DE; lang < LANG_COUNT; lang++)
        free(title[lang]);
    return labels;
}

/* The keeper's verdict: what is found is 1. The title has no arguments, so that one series is one
 * finding; several warnings of one code are one. */
static void findings(struct out *o, const json_t *s)
{
    static const char *const levels[] = {"bad", "warn", "hint"};
    const json_t *all = json_object_get(s, "findings"), *f;
    const char *before = "";
    size_t i;
    for (size_t l = 0; json_is_array(all) && l < 3; l++) {
        double n = 0;
        json_array_foreach (all, i, f)
            n += strcmp(text(f, "level"), levels[l]) == 0;
        gauge_by(o, "elexgate_findings",
            "How much is wrong, by level; a hint is well all the same. elexgate status says what.",
            "level", levels[l], n);
    }
    json_array_foreach (all, i, f) {
        _cleanup_free_ char *labels = finding_labels(f);
        if (strcmp(before, text(f, "code")) != 0)
            sample(o, "elexgate_finding", "gauge", "1: this is wrong; see docs/metrics.md.", labels,
                1);
        before = text(f, "code");
    }
}

static void keeper(struct out *o, const json_t *s)
{
    static const char *const states[] = {"idle", "waiting", "running", NULL};
    one_of(o, "elexgate_keeper_state", "1 for the state that the keeper is in.", states,
        text(s, "state"));
    table(o, keeper_metrics, s);
    findings(o, s);
    backup(o, s);
    drill(o, s);
    restore(o, s);
    binlog(o, s);
    notify(o, s);
}

static void programs(struct out *o, const char *const *names, const json_t *const *status)
{
    for (size_t i = 0; i < 2; i++)
        gauge_by(o, "elexgate_up", "1: the program answers; 0: it does not.", "program", names[i],
            status[i] != NULL);
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(find_member(status[i], "uptime_ms")))
            gauge_by(o, "elexgate_uptime_seconds", "How long the program has been running.",
                "program", names[i], json_number_value(find_member(status[i], "uptime_ms")) / 1000);
    for (size_t i = 0; i < 2; i++)
        if (status[i]) {
            _cleanup_free_ char *labels = xasprintf(
                "{program=\"%s\",version=\"%s\"}", names[i], text(status[i], "version"));
            sample(o, "elexgate_build_info", "gauge",
                "Always 1; the label says which version runs.", labels, 1);
        }
}

static void audits(struct out *o, const char *const *names, const json_t *const *status)
{
    for (size_t i = 0; i < 2; i++)
        if (json_is_number(find_member(status[i], "audit.lost"))) {
            _cleanup_free_ char *labels = labels_of((const char *const[]){"program"}, &names[i], 1);
            sample(o, "elexgate_audit_lost_total", "counter",
                "Lines of the audit log that could not be written.", labels,
                json_number_value(find_member(status[i], "audit.lost")));
        }
}

static const json_t *answered(const json_t *status)
{
    return json_get_true(status, "ok") ? status : NULL;
}

char *metrics_text_at(const json_t *proxy_status, const json_t *keeper_status, int64_t now_ms)
{
    static const char *const names[] = {"elexgate-proxy", "elexgate-keeper"};
    const json_t *status[] = {answered(proxy_status), answered(keeper_status)};
    char *result = NULL;
    size_t n;
    struct out o = {.f = open_memstream(&result, &n), .now_ms = now_ms};
    CHECK(o.f);
    programs(&o, names, status);
    audits(&o, names, status);
    if (status[0])
        proxy(&o, status[0]);
    if (status[1])
        keeper(&o, status[1]);
    CHECK(fclose(o.f) == 0);
    return result;
}

char *metrics_text(const json_t *proxy_status, const json_t *keeper_status)
{
    return metrics_text_at(proxy_status, keeper_status, clock_wall_ms());
}
