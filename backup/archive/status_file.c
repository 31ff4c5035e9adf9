/* <name>.status.json: text and file. */
#include "backup/archive/status_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/error_phrase.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/hex.h"
#include "common/utf8.h"

#define STATUS_MAX 16384

json_t *status_check_json(int64_t at_ms, bool good, const struct err *words)
{
    char iso[CLOCK_ISO_LEN];
    if (at_ms == 0)
        return json_null();
    json_t *o = json_pack("{s:s,s:b}", "at", clock_iso(at_ms, iso), "good", (int)good);
    error_phrase_put_as(o, "words", words);
    return o;
}

json_t *status_proof_json(const struct store_status *s)
{
    const struct store_proof *p = &s->proof;
    if (!s->proven_ms)
        return json_null();
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "tables", (json_int_t)p->tables, "rows",
        (json_int_t)p->rows, "checksums", (json_int_t)p->checksums, "files", (json_int_t)p->files,
        "bytes", (json_int_t)p->bytes, "newest_ms", (json_int_t)p->newest_ms, "server",
        json_text(p->server), "settings", json_text(p->settings));
}

json_t *status_chain_json(const struct store_status *s)
{
    json_t *o = status_check_json(s->chain_ms, s->chain_good, &s->chain_words);
    if (s->chain_ms)
        (void)json_object_set_new(o, "base", json_string(s->chain_base));
    return o;
}

static bool read_proof(json_t *v, struct store_proof *p)
{
    json_int_t tables, rows, checksums, files, bytes, newest_ms = 0;
    const char *server, *settings;
    if (!v || json_is_null(v)) /* one of an older version has none */
        return true;
    if (json_unpack(v, "{s:I,s:I,s:I,s:I,s:I,s?I,s:s,s:s!}", "tables", &tables, "rows", &rows,
            "checksums", &checksums, "files", &files, "bytes", &bytes, "newest_ms", &newest_ms,
            "server", &server, "settings", &settings) < 0)
        return false;
    *p = (struct store_proof){tables, rows, checksums, files, bytes, newest_ms, "", ""};
    utf8_copy(p->server, sizeof p->server, server);
    utf8_copy(p->settings, sizeof p->settings, settings);
    return true;
}

/* What is sealed: the object without its seal, as we write it, and what it is about. */
static void digest_of(
    const json_t *o, const struct status_subject *about, char out[static SHA256_HEX_LEN])
{
    _cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
    CHECK(text);
    _cleanup_free_ char *all = xasprintf(
        "%s %s %s\n%s", about->type, about->run, about->digest, text);
    hex_sha256(all, strlen(all), out);
}

char *status_text(
    const struct store_status *s, const struct status_subject *about, const struct seal_key *key)
{
    json_t *o = json_pack("{s:s,s:i,s:o,s:o,s:I,s:o}", "format", "elexgate-status", "version", 1,
        "verified", status_check_json(s->verified_ms, s->verified_good, &s->verified_words),
        "proven", status_check_json(s->proven_ms, s->proven_good, &s->proven_words), "drill_ms",
        (json_int_t)s->drill_ms, "proof", status_proof_json(s));
    CHECK(o);
    if (s->chain_ms) /* an older version knows none */
        (void)json_object_set_new(o, "chain", status_chain_json(s));
    if (key) {
        char digest[SHA256_HEX_LEN], signature[SEAL_SIGNATURE_HEX_LEN];
        digest_of(o, about, digest);
        seal_sign(key, SEAL_STATUS, digest, signature);
        (void)json_object_set_new(
            o, "seal", json_pack("{s:s,s:s}", "key", key->public, "signature", signature));
    }
    char *text = json_dumps(o, JSON_COMPACT), *out = xasprintf("%s\n", text);
    free(text);
    json_decref(o);
    return out;
}

/* Takes the seal off. */
static bool sealed_by_us(json_t *o, const struct status_subject *about, const struct trust *trust)
{
    const json_t *seal = json_object_get(o, "seal");
    char key[SEAL_KEY_HEX_LEN], signature[SEAL_SIGNATURE_HEX_LEN], digest[SHA256_HEX_LEN];
    utf8_copy(key, sizeof key, json_get_text(seal, "key"));
    utf8_copy(signature, sizeof signature, json_get_text(seal, "signature"));
    (void)json_object_del(o, "seal");
    digest_of(o, about, digest);
    return trust && trust_is_own_key(trust, key) &&
           seal_verify(key, SEAL_STATUS, digest, signature);
}

static bool read_check(json_t *v, int64_t *at_ms, bool *good, struct err *words)
{
    const char *at = NULL, *said = NULL;
    json_t *of_it = NULL; /* an older version has none */
    int g = 0;
    if (json_is_null(v))
        return true;
    if (json_unpack(v, "{s:s,s:b,s:s,s?o!}", "at", &at, "good", &g, "words", &said, "words_phrase",
            &of_it) < 0 ||
        clock_parse(at, at_ms) < 0)
        return false;
    *good = g != 0;
    (void)error_phrase_take_from(words, EBADMSG, v, "words");
    return true;
}

/* One of an older version has none. */
static bool read_chain(json_t *v, struct store_status *s)
{
    const char *base = json_get_str(v, "base");
    if (!v)
        return true;
    if (!base || !run_suffix_valid(base))
        return false;
    utf8_copy(s->chain_base, sizeof s->chain_base, base);
    (void)json_object_del(v, "base");
    return read_check(v, &s->chain_ms, &s->chain_good, &s->chain_words);
}

static bool read_all(json_t *o, struct store_status *out)
{
    struct store_status s = {0};
    json_t *verified, *proven, *proof = NULL, *chain = NULL;
    const char *format;
    int version;
    json_int_t drill_ms;
    bool good = json_unpack(o, "{s:s,s:i,s:o,s:o,s:I,s?o,s?o!}", "format", &format, "version",
                    &version, "verified", &verified, "proven", &proven, "drill_ms", &drill_ms,
                    "proof", &proof, "chain", &chain) == 0 &&
                strcmp(format, "elexgate-status") == 0 && version == 1 &&
                read_check(verified, &s.verified_ms, &s.verified_good, &s.verified_words) &&
                read_check(proven, &s.proven_ms, &s.proven_good, &s.proven_words) &&
                read_proof(proof, &s.proof) && read_chain(chain, &s);
    s.drill_ms = good ? drill_ms : 0;
    if (good)
        *out = s;
    return good;
}

int status_parse(const char *text, size_t len, const struct status_subject *about,
    const struct trust *trust, struct store_status *out, struct err *e)
{
    struct store_status s = {0};
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    bool ours = json_is_object(o) && sealed_by_us(o, about, trust), good = o && read_all(o, &s);
    json_decref(o);
    if (!good)
        return err_set(e, EINVAL, "status file: not as Elexgate writes it");
    if (!ours)
        return err_set(e, EPERM, "status file: no key of ours vouches for it");
    *out = s;
    return 0;
}

static char *status_path(const char *folder, const struct status_subject *about)
{
    struct archive_name n = {.kind = ARCHIVE_NAME_STATUS};
    char name[ARCHIVE_NAME_LEN];
    snprintf(n.type, sizeof n.type, "%s", about->type);
    snprintf(n.run, sizeof n.run, "%s", about->run);
    return xasprintf("%s/%s", folder, archive_name_format(&n, name));
}

int status_read(const char *folder, const struct status_subject *about, const struct trust *trust,
    struct store_status *out, struct err *e)
{
    _cleanup_free_ char *path = status_path(folder, about), *text = NULL;
    size_t len;
    int r = file_read(path, STATUS_MAX, &text, &len, e);
    if (r == -ENOENT) {
        *out = (struct store_status){0};
        return 0;
    }
    return r < 0 ? r : status_parse(text, len, about, trust, out, e);
}

int store_status_write(const char *folder, const char *type, const char *run, const char *digest,
    struct trust *trust, const struct store_status *s, struct err *e)
{
    struct status_subject about = {type, run, digest};
    int r = trust->has_key ? 0 : trust_load_key(trust, e);
    if (r < 0)
        return r;
    _cleanup_free_ char *path = status_path(folder, &about),
                        *text = status_text(s, &about, trust->has_key ? &trust->key : NULL);
    return file_publish(path, text, strlen(text), 0600, e);
}
