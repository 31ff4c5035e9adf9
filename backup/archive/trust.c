/* Who made an archive. */
#include "backup/archive/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/file.h"
#include "common/utf8.h"
#include "common/lang.h"

#define FOLDER   "seal"
#define OWN_MAX  (64 * 1024)
#define KEY_MODE 0600

static char *path_of(const struct trust *t, const char *name)
{
    return xasprintf("%s/%s", t->folder, name);
}

static void add_own(struct trust *t, const char *public)
{
    size_t kept = 0;
    for (size_t i = 0; i < t->own_count; i++) /* the one in use is the last */
        if (strcmp(t->own[i], public) != 0)
            memmove(t->own[kept++], t->own[i], SEAL_KEY_HEX_LEN);
    t->own_count = kept;
    t->own = xrealloc(t->own, (t->own_count + 1) * sizeof *t->own);
    snprintf(t->own[t->own_count++], SEAL_KEY_HEX_LEN, "%s", public);
}

static int read_own(struct trust *t, struct err *e)
{
    _cleanup_free_ char *path = path_of(t, "own"), *text = NULL;
    size_t len;
    int r = file_read(path, OWN_MAX, &text, &len, e);
    if (r == -ENOENT)
        return 0;
    char *rest, *line = r == 0 ? strtok_r(text, "\n", &rest) : NULL;
    for (; line && r == 0; line = strtok_r(NULL, "\n", &rest))
        if (seal_public_valid(line))
            add_own(t, line);
        else
            r = err_set(e, EINVAL, "%s: a line of it is no public key", path);
    return r;
}

int trust_open(const char *state_dir, const char *const *trusted, struct trust *out, struct err *e)
{
    static const char *const none[] = {NULL};
    struct trust t = {
        .folder = xasprintf("%s/" FOLDER, state_dir), .trusted = trusted ? trusted : none};
    int r = 0;
    for (size_t i = 0; t.trusted[i] && r == 0; i++)
        if (!seal_public_valid(t.trusted[i]))
            r = err_set(e, EINVAL,
                "[archive] trust: \"%s\" is no public key; `elexgate backup-key` of the other machine shows it, 64 signs of 0-9 and a-f",
                UTF8_SHORT(t.trusted[i], 80));
    if (r == 0)
        r = read_own(&t, e);
    if (r == 0) {
        _cleanup_free_ char *ledger = path_of(&t, "ledger");
        r = ledger_read(ledger, &t.ledger, e);
    }
    if (r < 0)
        trust_close(&t);
    else
        *out = t;
    return r;
}

void trust_close(struct trust *t)
{
    free(t->folder);
    free(t->own);
    ledger_clear(&t->ledger);
    seal_key_clear(&t->key);
    memset(t, 0, sizeof *t);
}

bool trust_is_own_key(const struct trust *t, const char *public)
{
    for (size_t i = 0; i < t->own_count; i++)
        if (strcmp(t->own[i], public) == 0)
            return true;
    return false;
}

static int save_own(struct trust *t, struct err *e)
{
    _cleanup_free_ char *path = path_of(t, "own");
    _cleanup_free_ char *text = xcalloc(t->own_count + 1, SEAL_KEY_HEX_LEN);
    size_t n = 0;
    for (size_t i = 0; i < t->own_count; i++)
        n += (size_t)sprintf(text + n, "%s\n", t->own[i]);
    return file_publish(path, text, n, KEY_MODE, e);
}

int trust_load_key(struct trust *t, struct err *e)
{
    _cleanup_free_ char *path = path_of(t, "key"), *text = NULL;
    size_t len = 0;
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 1;
    int r = file_check_private(path, e);
    if (r == 0)
        r = file_read(path, 4096, &text, &len, e);
    if (r == 0 && (r = seal_key_parse(text, &t->key, e)) < 0)
        err_prefix(e, r, "%s", path);
    if (text)
        explicit_bzero(text, len);
    t->has_key = r == 0;
    /* written first, so a key without it is one that a crash left: it is ours all the same */
    if (r == 0 && !trust_is_own_key(t, t->key.public)) {
        add_own(t, t->key.public);
        r = save_own(t, e);
    }
    return r;
}

int trust_use_key(struct trust *t, const struct seal_key *key, struct err *e)
{
    _cleanup_free_ char *path = path_of(t, "key");
    char text[SEAL_SPARE_LEN];
    int r = file_mkdirs(t->folder, 0700, e);
    if (r < 0)
        return r;
    add_own(t, key->public);
    r = save_own(t, e);
    seal_key_text(key, text);
    if (r == 0)
        r = file_publish(path, text, strlen(text), KEY_MODE, e);
    explicit_bzero(text, sizeof text);
    if (r < 0)
        return r;
    t->key = *key;
    t->has_key = true;
    return 0;
}

int trust_ready(struct trust *t, bool *made, struct err *e)
{
    struct seal_key key;
    *made = false;
    int r = t->has_key ? 0 : trust_load_key(t, e);
    if (r != 1)
        return r;
    r = seal_key_make(&key, e);
    if (r == 0)
        r = trust_use_key(t, &key, e);
    seal_key_clear(&key);
    *made = r == 0;
    return r;
}

static bool is_trusted_key(const struct trust *t, const char *public)
{
    for (size_t i = 0; t->trusted[i]; i++)
        if (strcmp(t->trusted[i], public) == 0)
            return true;
    return false;
}

enum standing trust_standing(const struct trust *t, const struct manifest *m,
    const struct manifest_seal *seal, const char *digest)
{
    const struct ledger_entry *n = ledger_find(&t->ledger, m->type, m->run, digest, NULL);
    bool broken = seal->key[0] &&
                  (strcmp(seal->key, m->installation) != 0 ||
                      !seal_verify(seal->key, SEAL_MANIFEST, digest, seal->signature));
    if (broken)
        return STANDING_BROKEN;
    if (n && n->what == LEDGER_ADOPTED)
        return STANDING_ADOPTED;
    if (!seal->key[0])
        return STANDING_UNSEALED;
    if (!trust_is_own_key(t, seal->key))
        return is_trusted_key(t, seal->key) ? STANDING_TRUSTED : STANDING_STRANGER;
    /* A crash between publishing and the ledger leaves a run that has begun and nothing else. */
    bool cut = !n && ledger_began(&t->ledger, m->run, m->sequence) &&
               !ledger_find(&t->ledger, m->type, m->run, NULL, NULL);
    return n || cut ? STANDING_OWN : STANDING_UNLISTED;
}

const char *standing_name(enum standing s)
{
    static const char *const names[] = {[STANDING_UNSEALED] = "unsealed",
        [STANDING_BROKEN] = "broken",
        [STANDING_STRANGER] = "foreign",
        [STANDING_UNLISTED] = "unlisted",
        [STANDING_TRUSTED] = "trusted",
        [STANDING_ADOPTED] = "adopted",
        [STANDING_REPLACED] = "replaced",
        [STANDING_OWN] = "own"};
    return names[s];
}

const char *standing_words(enum standing s)
{
    static const char *const words[] = {
        [STANDING_UNSEALED] = N_(
            "it is not sealed: anybody can have made it, or it is from before backups were sealed"),
        [STANDING_BROKEN] = N_("its seal is broken: it was changed after it was made"),
        [STANDING_STRANGER] = N_("it is sealed with the key of another installation"),
        [STANDING_UNLISTED] = N_(
            "it is sealed with our key, but not in this machine's own list of backups, which was lost or put back, or belongs to a copy of this machine"),
        [STANDING_TRUSTED] = N_("it is sealed with a key that is trusted ([archive] trust)"),
        [STANDING_ADOPTED] = N_("it was taken over by hand"),
        [STANDING_REPLACED] = N_(
            "it is not the one that this machine made: it was changed or exchanged"),
        [STANDING_OWN] = N_("it is sealed by us"),
    };
    return words[s];
}
