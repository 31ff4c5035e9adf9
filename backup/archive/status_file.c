/* <name>.status.json: text and file. */
#include "backup/archive/status_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/json_lines.h"
#include "common/utf8.h"

#define STATUS_MAX 16384

static json_t *build_check(int64_t at_ms, bool good, const char *text)
{
    char iso[CLOCK_ISO_LEN];
    if (at_ms == 0)
        return json_null();
    return json_pack(
        "{s:s,s:b,s:o}", "at", clock_iso(at_ms, iso), "good", (int)good, "words", json_text(text));
}

json_t *status_proof_json(const struct store_status *s)
{
    const struct store_proof *p = &s->proof;
    if (!s->proven_ms)
        return json_null();
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o,s:o}", "tables", (json_int_t)p->tables, "rows",
        (json_int_t)p->rows, "checksums", (json_int_t)p->checksums, "files", (json_int_t)p->files,
        "bytes", (json_int_t)p->bytes, "server", json_text(p->server), "settings",
        json_text(p->settings));
}

static bool read_proof(json_t *v, struct store_proof *p)
{
    json_int_t tables, rows, checksums, files, bytes;
    const char *server, *settings;
    if (!v || json_is_null(v)) /* one of an older version has none */
        return true;
    if (json_unpack(v, "{s:I,s:I,s:I,s:I,s:I,s:s,s:s!}", "tables", &tables, "rows", &rows,
            "checksums", &checksums, "files", &files, "bytes", &bytes, "server", &server,
            "settings", &settings) < 0)
        return false;
    *p = (struct store_proof){tables, rows, checksums, files, bytes, "", ""};
    utf8_copy(p->server, sizeof p->server, server);
    utf8_copy(p->settings, sizeof p->settings, settings);
    return true;
}

char *status_text(const struct store_status *s)
{
    json_t *o = json_pack("{s:s,s:i,s:o,s:o,s:I,s:o}", "format", "elexgate-status", "version", 1,
        "verified", build_check(s->verified_ms, s->verified_good, s->verified_words), "proven",
        build_check(s->proven_ms, s->proven_good, s->proven_words), "drill_ms",
        (json_int_t)s->drill_ms, "proof", status_proof_json(s));
    CHECK(o);
    char *text = json_dumps(o, JSON_COMPACT), *out = xasprintf("%s\n", text);
    free(text);
    json_decref(o);
    return out;
}

static bool read_check(json_t *v, int64_t *at_ms, bool *good, char text[256])
{
    const char *at = NULL, *said = NULL;
    int g = 0;
    if (json_is_null(v))
        return true;
    if (json_unpack(v, "{s:s,s:b,s:s!}", "at", &at, "good", &g, "words", &said) < 0 ||
        clock_parse(at, at_ms) < 0)
        return false;
    *good = g != 0;
    utf8_copy(text, 256, said);
    return true;
}

int status_parse(const char *text, size_t len, struct store_status *out, struct err *e)
{
    struct store_status s = {0};
    json_error_t je;
    json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je), *verified, *proven;
    json_t *proof = NULL;
    const char *format;
    int version;
    json_int_t drill_ms;
    bool good = o &&
                json_unpack(o, "{s:s,s:i,s:o,s:o,s:I,s?o!}", "format", &format, "version", &version,
                    "verified", &verified, "proven", &proven, "drill_ms", &drill_ms, "proof",
                    &proof) == 0 &&
                strcmp(format, "elexgate-status") == 0 && version == 1 &&
                read_check(verified, &s.verified_ms, &s.verified_good, s.verified_words) &&
                read_check(proven, &s.proven_ms, &s.proven_good, s.proven_words) &&
                read_proof(proof, &s.proof);
    if (good) {
        s.drill_ms = drill_ms;
        *out = s;
    }
    json_decref(o);
    return good ? 0 : err_set(e, EINVAL, "status file: not as Elexgate writes it");
}

static char *status_path(const char *folder, const char *type, const char *run)
{
    struct archive_name n = {.kind = ARCHIVE_NAME_STATUS};
    char name[ARCHIVE_NAME_LEN];
    snprintf(n.type, sizeof n.type, "%s", type);
    snprintf(n.run, sizeof n.run, "%s", run);
    return xasprintf("%s/%s", folder, archive_name_format(&n, name));
}

int store_status_read(
    const char *folder, const char *type, const char *run, struct store_status *out, struct err *e)
{
    _cleanup_free_ char *path = status_path(folder, type, run), *text = NULL;
    size_t len;
    int r = file_read(path, STATUS_MAX, &text, &len, e);
    if (r == -ENOENT) {
        *out = (struct store_status){0};
        return 0;
    }
    return r < 0 ? r : status_parse(text, len, out, e);
}

int store_status_write(const char *folder, const char *type, const char *run,
    const struct store_status *s, struct err *e)
{
    _cleanup_free_ char *path = status_path(folder, type, run), *text = status_text(s);
    return file_publish(path, text, strlen(text), 0600, e);
}
