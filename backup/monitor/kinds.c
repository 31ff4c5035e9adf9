#include "backup/monitor/kinds.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include "backup/rules/restore_request.h"
#include "common/json_get.h"
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

#define ACTION(name) (1u << RESTORE_DO_##name)

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
    [MONITOR_RESTORE] = {{"restore"}, .lasts = true, .text = TEXT_REQUEST,
        .actions = ACTION(RUN) | ACTION(SQL) | ACTION(UNDO) | ACTION(ACCEPT) | ACTION(RECOVER),
        .rights = SWAP},
    [MONITOR_RESTORE_PLAN] = {{"restore"}, .text = TEXT_REQUEST, .actions = ACTION(PLAN),
        .rights = TRIAL},
    [MONITOR_RESTORE_STATUS] = {{"restore"}, .bound = true, .text = TEXT_REQUEST,
        .actions = ACTION(STATUS), .rights = READ},
    [MONITOR_OPEN] = {{"restore"}, .text = TEXT_REQUEST, .actions = ACTION(OPEN), .rights = TRIAL},
    [MONITOR_TIMELINE] = {{"timeline"}, .bound = true, .text = TEXT_DAY, .rights = READ},
    [MONITOR_CERT_RENEW] = {{"cert", "renew", "--if-needed"}, .cli = true, .bound = true,
        .rights = WRITE | RIGHT(CHOWN)},
    [MONITOR_NOTIFY] = {{"notify", "--send"}, .cli = true, .input = INPUT_GIVEN,
        .rights = READ | RIGHT(SETUID) | RIGHT(SETGID)},
    [MONITOR_BINLOG] = {{"binlog"}, .rights = READ | FOLDER},
    [MONITOR_LOOK] = {{"look"}, .bound = true, .input = INPUT_GIVEN, .rights = READ},
    [MONITOR_PAGE_CERT] = {{"page-cert"}, .bound = true, .input = INPUT_TOLD, .command = "cert",
        .rights = WRITE | RIGHT(CHOWN)},
    [MONITOR_PAGE_CONFIG] = {{"page-config"}, .bound = true, .input = INPUT_TOLD,
        .command = "config-set", .rights = WRITE | RIGHT(CHOWN) | RIGHT(FOWNER)},
    [MONITOR_PAGE_RETENTION] = {{"page-retention"}, .bound = true, .input = INPUT_GIVEN,
        .rights = READ},
    [MONITOR_PAGE_PASSWORD] = {{"page-password"}, .bound = true, .input = INPUT_GIVEN,
        .rights = READ},
    [MONITOR_PAGE_ACCOUNT] = {{"page-account"}, .bound = true, .input = INPUT_TOLD,
        .command = "account", .rights = WRITE},
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

/* Read as it is read everywhere; an upload's name goes to the caller, malloc'ed, NULL allowed. */
static bool request_fits(const struct kind *k, const char *text, char **line, char **upload)
{
    struct restore_request r;
    _cleanup_json_ json_t *o = json_loads(text, 0, NULL);
    bool fits = restore_request_read(o, RESTORE_BY_KEEPER, &r, NULL) == 0 &&
                (k->actions & 1u << r.action);
    if (fits && line)
        *line = restore_request_text(o);
    if (fits && upload)
        *upload = r.upload ? xstrdup(r.upload) : NULL;
    restore_request_clear(&r);
    return fits;
}

char *kind_upload(const struct monitor_request *q)
{
    char *upload = NULL;
    if (kind_of(q->kind)->text == TEXT_REQUEST)
        (void)request_fits(kind_of(q->kind), q->text, NULL, &upload);
    return upload;
}

/* It is an argument that no program takes for an option: a label is one's value. */
static bool text_fits(const struct kind *k, const struct monitor_request *q)
{
    if (k->text == TEXT_REQUEST)
        return request_fits(k, q->text, NULL, NULL);
    if (k->text == TEXT_LABEL)
        return (q->flags & MONITOR_LABEL) ? archive_label_valid(q->text) : !*q->text;
    if (k->text == TEXT_NONE)
        return !*q->text;
    if (k->text == TEXT_DAY)
        return strlen(q->text) <= 10 && !q->text[strspn(q->text, "0123456789-")] &&
               q->text[0] != '-';
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

int kind_words(const struct monitor_request *q, const char *config_path, char ***out, struct err *e)
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
    if (*q->which)
        add(&l, strcmp(q->which, "all") == 0 ? "--all" : q->which);
    for (uint32_t i = 0; i < q->types_count; i++) {
        if (k->types == TYPES_ONE)
            add(&l, "--type");
        add(&l, q->types[i]);
    }
    _cleanup_free_ char *request = NULL;
    if (k->text == TEXT_REQUEST)
        (void)request_fits(k, q->text, &request, NULL);
    if (request || k->text == TEXT_NEEDED || (k->text == TEXT_DAY && *q->text))
        add(&l, request ? request : q->text);
    *out = l.words;
    return 0;
}

void free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}
