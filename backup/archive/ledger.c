/* The ledger: lines to entries, and back. */
#include "backup/archive/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/hex.h"
#include "common/json_lines.h"
#include "common/lang.h"

#define LEDGER_MAX  (256u * 1024 * 1024) /* a hundred years of many types */
#define CHAIN_BEGIN ",\"chain\":\""
#define CHAIN_TAIL  (sizeof CHAIN_BEGIN - 1 + SHA256_HEX_LEN - 1 + 2) /* and "} */

static const char *const whats[] = {[LEDGER_BEGIN] = "begin",
    [LEDGER_MADE] = "made",
    [LEDGER_ADOPTED] = "adopted",
    [LEDGER_REMOVED] = "removed",
    [LEDGER_MARK] = "mark"};

/* The hash of the line before, and of this one without its own. */
static void link_chain(const char *body, size_t len, char chain[static SHA256_HEX_LEN])
{
    _cleanup_free_ char *both = xasprintf("%s %.*s", chain, (int)len, body);
    hex_sha256(both, strlen(both), chain);
}

char *ledger_line(const struct ledger_entry *n, char chain[static SHA256_HEX_LEN])
{
    char at[CLOCK_ISO_LEN];
    json_t *o = json_pack("{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:I,s:I,s:I}", "what", whats[n->what], "at",
        clock_iso(n->at_ms, at), "sequence", (json_int_t)n->sequence, "run", n->run, "type",
        n->type, "digest", n->digest, "medium", n->medium, "files", (json_int_t)n->files, "bytes",
        (json_int_t)n->bytes, "tables", (json_int_t)n->tables);
    CHECK(o);
    if (n->what == LEDGER_MARK) {
        (void)json_object_set_new(o, "label", json_text(n->label));
        (void)json_object_set_new(o, "protected", json_boolean(n->protected));
    }
    _cleanup_free_ char *body = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    CHECK(body);
    size_t len = strlen(body) - 1; /* without the } */
    link_chain(body, len, chain);
    return xasprintf("%.*s" CHAIN_BEGIN "%s\"}", (int)len, body, chain);
}

static bool hex_or_empty(const char *s, size_t len)
{
    return !*s || hex_valid(s, len);
}

static bool parse_entry(json_t *o, struct ledger_entry *n)
{
    const char *what, *at, *run, *type, *digest, *medium, *label = NULL;
    int protected = -1;
    json_int_t sequence, files, bytes, tables;
    if (json_unpack(o, "{s:s,s:s,s:I,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s?s,s?b!}", "what", &what, "at",
            &at, "sequence", &sequence, "run", &run, "type", &type, "digest", &digest, "medium",
            &medium, "files", &files, "bytes", &bytes, "tables", &tables, "label", &label,
            "protected", &protected) < 0)
        return false;
    size_t k = 0;
    while (k < sizeof whats / sizeof whats[0] && strcmp(whats[k], what) != 0)
        k++;
    bool mark = k == LEDGER_MARK, of_run = k == LEDGER_BEGIN || mark;
    bool listed = k == LEDGER_MADE || k == LEDGER_ADOPTED;
    if (k == sizeof whats / sizeof whats[0] || clock_parse(at, &n->at_ms) < 0 ||
        !run_suffix_valid(run) || (of_run ? *type != 0 : !archive_type_valid(type)) ||
        mark != (label != NULL) || mark != (protected >= 0) ||
        (label && !archive_label_valid(label)) || !hex_or_empty(digest, SHA256_HEX_LEN - 1) ||
        listed != (*digest != 0) || !hex_or_empty(medium, MEDIUM_ID_LEN - 1) || sequence < 0 ||
        files < 0 || bytes < 0 || tables < 0)
        return false;
    n->what = (enum ledger_what)k;
    n->sequence = (uint64_t)sequence;
    n->files = (uint64_t)files;
    n->bytes = (uint64_t)bytes;
    n->tables = (uint64_t)tables;
    strcpy(n->run, run);
    strcpy(n->type, type);
    strcpy(n->digest, digest);
    strcpy(n->medium, medium);
    strcpy(n->label, label ? label : "");
    n->protected = protected > 0;
    return true;
}

int ledger_line_parse(const char *line, size_t len, char chain[static SHA256_HEX_LEN],
    struct ledger_entry *out, struct err *e)
{
    struct ledger_entry n = {0};
    char next[SHA256_HEX_LEN];
    if (len < CHAIN_TAIL + 2 || memchr(line, 0, len) ||
        memcmp(line + len - CHAIN_TAIL, CHAIN_BEGIN, sizeof CHAIN_BEGIN - 1) != 0 ||
        memcmp(line + len - 2, "\"}", 2) != 0)
        return err_set(e, EINVAL, "not a line as Elexgate writes it");
    memcpy(next, chain, sizeof next);
    link_chain(line, len - CHAIN_TAIL, next);
    if (memcmp(next, line + len - 2 - (SHA256_HEX_LEN - 1), SHA256_HEX_LEN - 1) != 0)
        return err_set(e, EINVAL, "it was edited, or a line before it is missing");
    char *body = xasprintf("%.*s}", (int)(len - CHAIN_TAIL), line);
    json_t *o = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    free(body);
    bool good = json_is_object(o) && parse_entry(o, &n);
    json_decref(o);
    if (!good)
        return err_set(e, EINVAL, "it says nothing that this version understands");
    memcpy(chain, next, sizeof next);
    *out = n;
    return 0;
}

static void add(struct ledger *l, const struct ledger_entry *n)
{
    if ((l->count & (l->count - 1)) == 0) /* grows by doubling */
        l->entries = xrealloc(l->entries, (l->count ? 2 * l->count : 1) * sizeof *l->entries);
    l->entries[l->count++] = *n;
}

int ledger_read(const char *path, struct ledger *out, struct err *e)
{
    struct ledger l = {.path = xstrdup(path)};
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read(path, LEDGER_MAX, &text, &len, e);
    if (r < 0 && r != -ENOENT) {
        ledger_clear(&l);
        return r;
    }
    for (size_t at = 0, number = 1; at < len; number++) {
        struct ledger_entry n;
        struct err why = {0};
        const char *end = memchr(text + at, '\n', len - at);
        if (!end) {
            l.cut = true;
            break;
        }
        if (ledger_line_parse(text + at, (size_t)(end - text) - at, l.chain, &n, &why) < 0) {
            (void)err_set(&l.problem, EBADMSG, "%s, line %zu: %s", path, number, err_words(&why));
            break;
        }
        add(&l, &n);
        at = (size_t)(end + 1 - text);
        l.good_bytes = at;
    }
    *out = l;
    return 0;
}

void ledger_clear(struct ledger *l)
{
    free(l->path);
    free(l->entries);
    memset(l, 0, sizeof *l);
}

/* The lines that are believed become the whole ledger; the other file stays for whoever looks. */
static int mend(struct ledger *l, struct err *e)
{
    _cleanup_free_ char *text = NULL, *aside = xasprintf("%s.damaged", l->path);
    size_t len;
    int r = file_read(l->path, LEDGER_MAX, &text, &len, e);
    if (r == 0)
        r = file_publish(aside, text, len, 0600, e);
    if (r == 0)
        r = file_publish(l->path, text, (size_t)l->good_bytes, 0600, e);
    if (r == 0) {
        l->cut = false;
        l->problem = (struct err){0};
    }
    return r;
}

int ledger_append(struct ledger *l, const struct ledger_entry *entry, struct err *e)
{
    int r = l->cut || l->problem.code ? mend(l, e) : 0;
    if (r < 0)
        return err_prefix(e, r, "the ledger of backups cannot be mended");
    struct ledger_entry n = *entry;
    if (!n.at_ms)
        n.at_ms = clock_wall_ms();
    char chain[SHA256_HEX_LEN];
    memcpy(chain, l->chain, sizeof chain);
    char *line = ledger_line(&n, chain);
    _cleanup_free_ char *text = xasprintf("%s\n", line);
    free(line);
    _cleanup_fd_ int fd = open(
        l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_sys(e, errno, "cannot write %s", l->path);
    r = fd_write_all(fd, text, strlen(text), e);
    if (r == 0 && fsync(fd) < 0)
        r = err_sys(e, errno, "cannot write %s to the disk", l->path);
    if (r == 0 && l->count == 0)
        r = file_sync_parent(l->path, e);
    if (r < 0) {
        l->cut = true; /* half a line may be there */
        return r;
    }
    add(l, &n);
    memcpy(l->chain, chain, sizeof chain);
    l->good_bytes += strlen(text);
    return 0;
}

static bool fits(
    const struct ledger_entry *n, const char *type, const char *run, const char *medium)
{
    return strcmp(n->type, type) == 0 && strcmp(n->run, run) == 0 &&
           (!medium || strcmp(n->medium, medium) == 0);
}

const struct ledger_entry *ledger_find(const struct ledger *l, const char *type, const char *run,
    const char *digest, const char *medium)
{
    for (size_t i = l->count; i-- > 0;) {
        const struct ledger_entry *n = &l->entries[i];
        if ((n->what == LEDGER_MADE || n->what == LEDGER_ADOPTED) && fits(n, type, run, medium) &&
            (!digest || strcmp(n->digest, digest) == 0))
            return n;
    }
    return NULL;
}

size_t *ledger_live(const struct ledger *l, const char *medium, size_t *count)
{
    size_t *live = NULL, n = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct ledger_entry *x = &l->entries[i];
        if (x->what == LEDGER_BEGIN || x->what == LEDGER_MARK || strcmp(x->medium, medium) != 0)
            continue;
        for (size_t k = 0; k < n; k++) /* removed, or told of anew */
            if (fits(&l->entries[live[k]], x->type, x->run, medium)) {
                live[k] = live[--n];
                break;
            }
        if (x->what == LEDGER_REMOVED)
            continue;
        live = xrealloc(live, (n + 1) * sizeof *live);
        live[n++] = i;
    }
    *count = n;
    return live;
}

const struct ledger_entry *ledger_mark(const struct ledger *l, const char *run)
{
    for (size_t i = l->count; i-- > 0;)
        if (l->entries[i].what == LEDGER_MARK && strcmp(l->entries[i].run, run) == 0)
            return &l->entries[i];
    return NULL;
}

static size_t protected_runs(const struct ledger *l)
{
    size_t n = 0;
    for (size_t i = 0; i < l->count; i++)
        n += l->entries[i].what == LEDGER_MARK && l->entries[i].protected &&
             ledger_mark(l, l->entries[i].run) == &l->entries[i];
    return n;
}

static size_t marks_of_a_day(const struct ledger *l)
{
    size_t n = 0;
    int64_t since = clock_wall_ms() - INT64_C(86400000);
    for (size_t i = 0; i < l->count; i++)
        n += l->entries[i].what == LEDGER_MARK && l->entries[i].at_ms > since;
    return n;
}

int ledger_append_mark(struct ledger *l, const struct ledger_entry *mark, struct err *e)
{
    const struct ledger_entry *was = ledger_mark(l, mark->run);
    bool protected = was && was->protected;
    if (strcmp(was ? was->label : "", mark->label) == 0 && protected == mark->protected)
        return 0;
    if (mark->protected && !protected && protected_runs(l) >= LEDGER_PROTECTED_MAX)
        return err_set(e, EDQUOT,
            N_("%d backups are protected, which is the most there may be: take the protection from one first"),
            LEDGER_PROTECTED_MAX);
    if (marks_of_a_day(l) >= LEDGER_MARKS_A_DAY)
        return err_set(e, EDQUOT,
            N_("labels and protections were changed %d times within a day: try again tomorrow"),
            LEDGER_MARKS_A_DAY);
    return ledger_append(l, mark, e);
}

bool ledger_began_run(const struct ledger *l, const char *run)
{
    for (size_t i = l->count; i-- > 0;)
        if (l->entries[i].what == LEDGER_BEGIN && strcmp(l->entries[i].run, run) == 0)
            return true;
    return false;
}

bool ledger_began(const struct ledger *l, const char *run, uint64_t sequence)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].what == LEDGER_BEGIN && l->entries[i].sequence == sequence &&
            strcmp(l->entries[i].run, run) == 0)
            return true;
    return false;
}

uint64_t ledger_sequence(const struct ledger *l)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < l->count; i++)
        if (l->entries[i].sequence > highest)
            highest = l->entries[i].sequence;
    return highest;
}

const struct ledger_entry *ledger_last_made(const struct ledger *l, const char *type)
{
    const struct ledger_entry *adopted = NULL;
    for (size_t i = l->count; i-- > 0;) {
        const struct ledger_entry *n = &l->entries[i];
        if (strcmp(n->type, type) != 0)
            continue;
        if (n->what == LEDGER_MADE)
            return n;
        if (n->what == LEDGER_ADOPTED && !adopted)
            adopted = n;
    }
    return adopted;
}
