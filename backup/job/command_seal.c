/* Who made a backup, and where it lies: what a person decides. */
#include "backup/job/commands.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backup/archive/archive_settings.h"
#include "backup/archive/medium.h"
#include "backup/archive/verify.h"
#include "backup/job/run.h"
#include "backup/job/run_lock.h"
#include "common/exit_codes.h"
#include "common/file.h"

struct ours {
    const struct config *config;
    struct archive_settings settings;
    struct trust trust;
    int lock;
};

int command_lock(const struct config *c, int *lock, struct err *e)
{
    const char *state_dir = config_str(c, "backup", NULL, "state_dir");
    _cleanup_free_ char *lock_path = xasprintf("%s/run.lock", state_dir);
    struct stat st;
    pid_t holder = 0;
    /* Where no keeper ever ran there is no folder for its lock, and nothing to collide with. */
    if (stat(state_dir, &st) < 0)
        return EXIT_GOOD;
    int x = run_lock(lock_path, lock, &holder, e);
    if (x == 1)
        err_set(e, EBUSY, "a backup, drill or restore is going on (process %d)", (int)holder);
    return x == 1 ? EXIT_BUSY : x < 0 ? EXIT_FAILED : EXIT_GOOD;
}

static int open_ours(const struct config *c, bool lock, struct ours *o, struct err *e)
{
    *o = (struct ours){.config = c, .lock = -1};
    if (lock) {
        if (file_mkdirs(config_str(c, "backup", NULL, "state_dir"), 0700, e) < 0)
            return EXIT_FAILED;
        int code = command_lock(c, &o->lock, e);
        if (code != EXIT_GOOD)
            return code;
    }
    return archive_settings_load(c, &o->settings, e) < 0 ||
                   trust_open(config_str(c, "backup", NULL, "state_dir"), o->settings.trust,
                       &o->trust, e) < 0
               ? EXIT_FAILED
               : EXIT_GOOD;
}

static void close_ours(struct ours *o)
{
    trust_close(&o->trust);
    archive_settings_clear(&o->settings);
    cleanup_fd(&o->lock);
}

/* ---- adopt ---- */

static int list_adopted(
    struct ours *o, const struct store_list *l, const struct store_item *it, struct err *e)
{
    struct ledger_entry n = {.what = LEDGER_ADOPTED,
        .sequence = it->sequence,
        .files = it->manifest.content.files,
        .bytes = it->manifest.content.bytes,
        .tables = it->manifest.table_count};
    memcpy(n.type, it->type, sizeof n.type);
    memcpy(n.run, it->run, sizeof n.run);
    memcpy(n.digest, it->digest, sizeof n.digest);
    memcpy(n.medium, l->medium, sizeof n.medium);
    return ledger_append(&o->trust.ledger, &n, e);
}

static bool go_on(void *ctx)
{
    (void)ctx;
    return !run_stopped();
}

/* Every file of it is read and compared before it is ours. */
static int adopt_one(
    struct ours *o, const struct store_list *l, const struct store_item *it, struct err *e)
{
    struct verify_result v;
    struct verify_options vo = {.identity_file = o->settings.identity_file,
        .passphrase = o->settings.passphrase,
        .threads = o->settings.pack.threads,
        .go_on = go_on};
    if (standing_ours(it->standing) && it->standing != STANDING_REPLACED)
        return EXIT_GOOD;
    if (it->standing == STANDING_BROKEN || it->standing == STANDING_REPLACED || !*it->digest)
        return err_outcome(e, EXIT_REFUSED, EPERM, "%s of %s is not taken over: %s", it->type,
            it->run, *it->digest ? standing_words(it->standing) : err_words(&it->problem));
    int x = verify_item(l->folder, it, &vo, &v, e);
    if (x != 0)
        return x == UNPACK_STOPPED ? EXIT_CANCELLED : EXIT_FAILED;
    if (!v.good)
        return err_outcome(e, EXIT_INCONSISTENT, EBADMSG, "%s of %s is not taken over: %s",
            it->type, it->run, err_words(&v.words));
    if (file_mkdirs(o->trust.folder, 0700, e) < 0 || list_adopted(o, l, it, e) < 0)
        return EXIT_FAILED;
    run_event(json_pack("{s:s,s:s,s:s,s:s,s:b}", "event", "adopted", "type", it->type, "run",
        it->run, "words", v.words.text, "whole_file_only", (int)v.whole_file_only));
    return EXIT_GOOD;
}

static int adopt_run(struct ours *o, const char *which, const char *type, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    const char *folder = o->settings.pack.folder;
    int code = EXIT_GOOD;
    if (store_find(folder, which, type, &o->trust, true, &l, e) < 0)
        return EXIT_FAILED;
    if (strcmp(l.folder, folder) != 0)
        code = err_outcome(e, EXIT_REFUSED, EPERM, "only backups in %s are taken over", folder);
    for (size_t i = 0; i < l.count && code == EXIT_GOOD; i++)
        code = adopt_one(o, &l, &l.items[i], e);
    return code;
}

int command_adopt(const struct config *c, int argc, char **argv, json_t *last, struct err *e)
{
    struct ours o;
    const char *type = NULL;
    int named = 0;
    bool wrong = false;
    (void)last;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--type") == 0 && i + 1 < argc)
            type = argv[++i];
        else if (argv[i][0] == '-' || strcmp(argv[i], "latest") == 0)
            wrong = true;
        else
            argv[++named] = argv[i];
    if (named == 0 || wrong)
        return err_outcome(e, EXIT_USAGE, EINVAL,
            "which backup? adopt takes runs by their names, such as 2026-11-22-0315; `elexgate backups` lists them");
    int code = open_ours(c, true, &o, e);
    for (int i = 1; i <= named && code == EXIT_GOOD; i++)
        code = adopt_run(&o, argv[i], type, e);
    close_ours(&o);
    return code;
}

/* ---- key ---- */

static void tell_keys(const struct trust *t, json_t *last)
{
    char print[SEAL_FINGERPRINT_LEN];
    json_t *former = json_array(), *trusted = json_array();
    for (size_t i = 0; i + 1 < t->own_count; i++)
        json_array_append_new(former, json_string(t->own[i]));
    for (size_t i = 0; t->trusted[i]; i++)
        json_array_append_new(trusted, json_string(t->trusted[i]));
    json_object_set_new(last, "former", former);
    json_object_set_new(last, "trusted", trusted);
    if (t->own_count == 0) {
        json_object_set_new(last, "public", json_null());
        return;
    }
    const char *public = t->own[t->own_count - 1];
    seal_fingerprint(public, print);
    json_object_set_new(last, "public", json_string(public));
    json_object_set_new(last, "fingerprint", json_string(print));
}

static int key_sheet(struct ours *o, json_t *last, struct err *e)
{
    bool made = false;
    char secret[SEAL_SPARE_LEN], host[256] = "";
    int r = trust_ready(&o->trust, &made, e);
    if (r < 0)
        return r;
    seal_key_text(&o->trust.key, secret);
    gethostname(host, sizeof host - 1);
    json_object_set_new(last, "secret", json_string(secret));
    json_object_set_new(last, "host", json_string(host));
    json_object_set_new(last, "folder", json_string(o->settings.pack.folder));
    explicit_bzero(secret, sizeof secret);
    return 0;
}

static int key_rotate(struct ours *o, struct err *e)
{
    CLEANUP(seal_key_clear) struct seal_key key;
    int r = seal_key_make(&key, e);
    return r == 0 ? trust_use_key(&o->trust, &key, e) : r;
}

/* What this key has sealed is ours again: the list of it went down with the old machine. */
static int relist(struct ours *o, json_t *last, struct err *e)
{
    CLEANUP(store_list_clear) struct store_list l = {0};
    json_int_t count = 0;
    int r = store_read(o->settings.pack.folder, NULL, &o->trust, &l, e);
    if (r < 0)
        return r;
    for (size_t i = l.count; i-- > 0 && r == 0;) { /* the oldest first */
        if (l.items[i].standing != STANDING_UNLISTED || !l.items[i].complete)
            continue;
        r = list_adopted(o, &l, &l.items[i], e);
        count++;
    }
    json_object_set_new(last, "listed", json_integer(count));
    return r;
}

static int key_import(struct ours *o, const char *path, json_t *last, struct err *e)
{
    _cleanup_free_ char *text = NULL;
    struct seal_key key = {0};
    size_t len = 0;
    if (!path)
        return err_set(e, EINVAL, "import takes the file with the key of the recovery sheet");
    int r = file_read(path, 4096, &text, &len, e);
    if (r == 0)
        r = seal_key_parse(text, &key, e);
    if (text)
        explicit_bzero(text, len);
    if (r == 0)
        r = trust_use_key(&o->trust, &key, e);
    seal_key_clear(&key);
    return r == 0 ? relist(o, last, e) : r;
}

int command_key(const struct config *c, int argc, char **argv, json_t *last, struct err *e)
{
    const char *what = argc > 1 ? argv[1] : "show";
    bool import = strcmp(what, "import") == 0, rotate = strcmp(what, "rotate") == 0,
         sheet = strcmp(what, "sheet") == 0;
    if ((!import && !rotate && !sheet && strcmp(what, "show") != 0) || argc > 2 + import)
        return err_outcome(e, EXIT_USAGE, EINVAL, "key: show, sheet, rotate or import FILE");
    struct ours o;
    int code = open_ours(c, import || rotate || sheet, &o, e), r = 0;
    if (code == EXIT_GOOD) {
        r = import   ? key_import(&o, argc > 2 ? argv[2] : NULL, last, e)
            : rotate ? key_rotate(&o, e)
            : sheet  ? key_sheet(&o, last, e)
                     : 0;
        tell_keys(&o.trust, last);
    }
    close_ours(&o);
    return r < 0 ? EXIT_FAILED : code;
}

/* ---- folder ---- */

int command_folder(const struct config *c, int argc, char **argv, json_t *last, struct err *e)
{
    static const char *const states[] = {"known", "fresh", "absent", "another", "doubtful"};
    bool init = argc > 1 && strcmp(argv[1], "init") == 0;
    char id[MEDIUM_ID_LEN];
    if (argc > 2 || (argc == 2 && !init && strcmp(argv[1], "show") != 0))
        return err_outcome(e, EXIT_USAGE, EINVAL, "folder: show or init");
    struct ours o;
    int code = open_ours(c, init, &o, e), r = 0;
    const char *folder = o.settings.pack.folder;
    if (code == EXIT_GOOD)
        r = init ? medium_init(o.trust.folder, folder, id, e)
                 : medium_look(o.trust.folder, folder, id, e);
    if (code == EXIT_GOOD && r >= 0) {
        json_object_set_new(last, "folder", json_string(folder));
        json_object_set_new(last, "state", json_string(states[r]));
        json_object_set_new(last, "id", *id ? json_string(id) : json_null());
    }
    if (r > MEDIUM_FRESH)
        code = EXIT_FAILED;
    close_ours(&o);
    return r < 0 ? EXIT_FAILED : code;
}
