#include "backup/monitor/kinds.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include "common/process.h"

#define RIGHT(name) (UINT64_C(1) << CAP_##name)
/* Resolved by kind_rights: whatever is needed to write into a folder that may not be root's, and to
 * run the admin's own programs. */
#define FOLDER (UINT64_C(1) << 62)
#define HOOKS  (UINT64_C(1) << 63)

#define READ  RIGHT(DAC_READ_SEARCH)
#define WRITE (READ | RIGHT(DAC_OVERRIDE))
/* A server or an import on trial: its data are given to another user and taken back, it is started
 * as that one and ended. */
#define TRIAL (WRITE | RIGHT(CHOWN) | RIGHT(FOWNER) | RIGHT(SETUID) | RIGHT(SETGID) | RIGHT(KILL))
#define SWAP  (TRIAL | RIGHT(LEASE)) /* notices a server that is started during a swap */

#define SQL_FLAGS (MONITOR_DRY_RUN | MONITOR_ACCEPT_LOSS | MONITOR_NAMES_LIVE | MONITOR_NAMES_FILE)

static const struct kind kinds[MONITOR_KINDS] = {
    [MONITOR_BACKUP] = {{"backup"}, .types = TYPES_MANY,
        .flags = MONITOR_NOW | MONITOR_DUMP | MONITOR_LOCK | MONITOR_DRY_RUN |
                 MONITOR_ACCEPT_SMALLER | MONITOR_LABEL | MONITOR_PROTECT,
        .text = TEXT_LABEL, .rights = READ | FOLDER | HOOKS},
    [MONITOR_DRILL] = {{"drill"}, .which = WHICH_LATEST, .types = TYPES_ONE,
        .flags = MONITOR_IF_ANY, .rights = TRIAL},
    [MONITOR_PROVE] = {{"prove"}, .flags = MONITOR_LIVE, .rights = TRIAL},
    [MONITOR_PUT_BACK] = {{"put-back"}, .bound = true, .rights = READ},
    [MONITOR_ALARM] = {{"alarm"}, .text = TEXT_NEEDED, .rights = READ | HOOKS},
    [MONITOR_VERIFY] = {{"verify"}, .bound = true, .which = WHICH_ALL, .types = TYPES_ONE,
        .rights = READ | FOLDER},
    [MONITOR_LIST] = {{"list"}, .bound = true, .rights = READ},
    [MONITOR_INFO] = {{"info"}, .bound = true, .which = WHICH_LATEST, .flags = MONITOR_AGAINST_NOW,
        .rights = READ},
    [MONITOR_REMOVE] = {{"remove"}, .bound = true, .which = WHICH_RUN, .types = TYPES_ONE,
        .rights = READ | FOLDER},
    [MONITOR_MARK] = {{"mark"}, .bound = true, .which = WHICH_RUN, .text = TEXT_LABEL,
        .flags = MONITOR_LABEL | MONITOR_PROTECT | MONITOR_UNPROTECT, .rights = READ},
    [MONITOR_RESTORE] = {{"restore", "run"}, .lasts = true, .input = INPUT_UPLOAD,
        .which = WHICH_RESTORE, .types = TYPES_MANY, .flags = SQL_FLAGS | MONITOR_FOREIGN,
        .rights = SWAP},
    [MONITOR_RESTORE_SQL] = {{"restore", "sql"}, .lasts = true, .input = INPUT_UPLOAD,
        .flags = SQL_FLAGS, .rights = SWAP},
    [MONITOR_PLAN] = {{"restore", "plan"}, .which = WHICH_RESTORE, .types = TYPES_MANY,
        .flags = MONITOR_FOREIGN, .rights = TRIAL},
    [MONITOR_UNDO] = {{"restore", "undo"}, .lasts = true, .rights = SWAP},
    [MONITOR_ACCEPT] = {{"restore", "accept"}, .lasts = true, .rights = SWAP},
    [MONITOR_RECOVER] = {{"restore", "recover"}, .lasts = true, .rights = SWAP},
    [MONITOR_RECOVER_DUE] = {{"restore", "recover", "--expire"}, .lasts = true, .rights = SWAP},
    [MONITOR_RESTORE_STATUS] = {{"restore", "status"}, .bound = true, .rights = READ},
    [MONITOR_CERT_RENEW] = {{"cert", "renew", "--if-needed"}, .cli = true, .bound = true,
        .rights = WRITE | RIGHT(CHOWN)},
    [MONITOR_NOTIFY] = {{"notify", "--send"}, .cli = true, .input = INPUT_GIVEN,
        .rights = READ | RIGHT(SETUID) | RIGHT(SETGID)},
    [MONITOR_BINLOG] = {{"binlog"}, .rights = READ | FOLDER},
    [MONITOR_LOOK] = {{"look"}, .bound = true, .input = INPUT_GIVEN, .rights = READ},
    [MONITOR_PAGE_CERT] = {{"page-cert"}, .bound = true, .input = INPUT_GIVEN,
        .rights = WRITE | RIGHT(CHOWN)},
    [MONITOR_PAGE_CONFIG] = {{"page-config"}, .bound = true, .input = INPUT_GIVEN,
        .rights = WRITE | RIGHT(CHOWN) | RIGHT(FOWNER)},
    [MONITOR_PAGE_AUDIT] = {{"page-audit"}, .bound = true, .input = INPUT_GIVEN, .rights = READ},
};

static const struct {
    uint32_t flag;
    const char *words[2];
} options[] = {
    {MONITOR_NOW, {"--now"}},
    {MONITOR_DUMP, {"--dump"}},
    {MONITOR_LOCK, {"--lock"}},
    {MONITOR_DRY_RUN, {"--dry-run"}},
    {MONITOR_ACCEPT_SMALLER, {"--accept-smaller"}},
    {MONITOR_FOREIGN, {"--foreign"}},
    {MONITOR_ACCEPT_LOSS, {"--accept-loss"}},
    {MONITOR_NAMES_LIVE, {"--names", "live"}},
    {MONITOR_NAMES_FILE, {"--names", "file"}},
    {MONITOR_IF_ANY, {"--if-any"}},
    {MONITOR_PROTECT, {"--protect"}},
    {MONITOR_UNPROTECT, {"--unprotect"}},
    {MONITOR_LIVE, {"--live"}},
    {MONITOR_AGAINST_NOW, {"--against-now"}},
};

#define WORDS_MAX (MONITOR_TYPES_MAX + 24)

const struct kind *kind_of(uint32_t kind)
{
    return kind < MONITOR_KINDS ? &kinds[kind] : NULL;
}

uint64_t kind_rights(const struct kind *k, const struct config *c)
{
    struct stat st;
    uint64_t rights = k->rights & ~(FOLDER | HOOKS);
    const char *folder = config_str(c, "archive", NULL, "folder");
    if ((k->rights & FOLDER) && stat(folder, &st) == 0 && st.st_uid != 0)
        rights |= WRITE;
    if ((k->rights & HOOKS) && (config_str(c, "hooks", NULL, "before_backup") ||
                                   config_str(c, "hooks", NULL, "after_backup")))
        rights |= TRIAL;
    return rights;
}

/* --- what a request may say ------------------------------------------------------------------- */

#define ENDS(text) (memchr(text, '\0', sizeof(text)) != NULL)

static bool which_fits(const struct kind *k, const struct monitor_request *q)
{
    const char *w = q->which;
    bool run = run_suffix_valid(w), latest = strcmp(w, "latest") == 0;
    switch (k->which) {
    case WHICH_NONE:
        return !*w;
    case WHICH_RUN:
        return run;
    case WHICH_LATEST:
        return run || latest;
    case WHICH_ALL:
        return run || strcmp(w, "all") == 0;
    case WHICH_RESTORE:
        if (*q->upload)
            return !*w;
        return run || latest || ((q->flags & MONITOR_FOREIGN) && foreign_name_valid(w));
    }
    return false;
}

static bool types_fit(const struct kind *k, const struct monitor_request *q)
{
    uint32_t most = k->types == TYPES_MANY ? MONITOR_TYPES_MAX : k->types == TYPES_ONE;
    if (q->types_count > most)
        return false;
    for (uint32_t i = 0; i < q->types_count; i++)
        if (!ENDS(q->types[i]) || !archive_type_valid(q->types[i]))
            return false;
    return true;
}

static bool upload_fits(const struct kind *k, const struct monitor_request *q)
{
    if (!*q->upload)
        return k != &kinds[MONITOR_RESTORE_SQL];
    bool archive = k == &kinds[MONITOR_RESTORE] && (q->flags & MONITOR_FOREIGN);
    return (archive || k == &kinds[MONITOR_RESTORE_SQL]) && upload_name_valid(q->upload);
}

/* It is an argument that no program takes for an option: a label is one's value. */
static bool text_fits(const struct kind *k, const struct monitor_request *q)
{
    if (k->text == TEXT_LABEL)
        return (q->flags & MONITOR_LABEL) ? archive_label_valid(q->text) : !*q->text;
    if (k->text == TEXT_NONE)
        return !*q->text;
    for (const char *s = q->text; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 127)
            return false;
    return *q->text && *q->text != '-';
}

static const char *what_is_wrong(const struct kind *k, const struct monitor_request *q)
{
    if (!ENDS(q->which) || !which_fits(k, q))
        return "which";
    if (!types_fit(k, q))
        return "types";
    if (!ENDS(q->upload) || !upload_fits(k, q))
        return "upload";
    if (!ENDS(q->text) || !text_fits(k, q))
        return "text";
    if (q->flags & ~k->flags)
        return "flags";
    return NULL;
}

/* --- the command line --- */

struct line {
    char **words;
    size_t n;
};

static void add(struct line *l, const char *word)
{
    CHECK(l->n < WORDS_MAX - 1); /* nobody chooses more than MONITOR_TYPES_MAX of them */
    l->words[l->n++] = xstrdup(word);
}

static void add_which(struct line *l, const struct monitor_request *q, const struct config *c)
{
    if (*q->upload) {
        add(l, q->kind == MONITOR_RESTORE_SQL ? "-" : "/dev/stdin");
    } else if (strcmp(q->which, "all") == 0) {
        add(l, "--all");
    } else if (run_suffix_valid(q->which) || strcmp(q->which, "latest") == 0) {
        add(l, q->which);
    } else if (*q->which) {
        _cleanup_free_ char *path = xasprintf(
            "%s/%s", config_str(c, "archive", NULL, "folder"), q->which);
        add(l, path);
    }
}

static void add_program(struct line *l, const struct kind *k, const char *config_path)
{
    _cleanup_free_ char *program = k->cli ? process_beside(
                                                "../cli/elexgate", ELEXGATE_BINDIR "/elexgate")
                                          : process_beside("elexgate-job",
                                                ELEXGATE_LIBEXECDIR "/elexgate-job");
    add(l, program);
    if (k->cli)
        add(l, "--json");
    else if (!k->lasts)
        add(l, "--with-parent");
    if (config_path) {
        add(l, "--config");
        add(l, config_path);
    }
    for (size_t i = 0; i < 4 && k->words[i]; i++)
        add(l, k->words[i]);
}

int kind_words(const struct monitor_request *q, const struct config *c, const char *config_path,
    char ***out, struct err *e)
{
    const struct kind *k = kind_of(q->kind);
    const char *wrong = k ? what_is_wrong(k, q) : "kind";
    if (wrong)
        return err_set(e, EINVAL, "the monitor refuses a job: its \"%s\" is not allowed", wrong);
    struct line l = {.words = xcalloc(WORDS_MAX, sizeof *l.words)};
    add_program(&l, k, config_path);
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        for (size_t w = 0; (q->flags & options[i].flag) && w < 2 && options[i].words[w]; w++)
            add(&l, options[i].words[w]);
    if (q->flags & MONITOR_LABEL) {
        add(&l, "--label");
        add(&l, q->text);
    }
    add_which(&l, q, c);
    for (uint32_t i = 0; i < q->types_count; i++) {
        if (k->types == TYPES_ONE)
            add(&l, "--type");
        add(&l, q->types[i]);
    }
    if (k->text == TEXT_NEEDED)
        add(&l, q->text);
    *out = l.words;
    return 0;
}

void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
