/*
 * The manifest: text to struct, strictly. A manifest decides what may be deleted and what is
 * brought back, so nothing in it is guessed.
 */
#include "backup/rules/manifest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/hex.h"
#include "common/lang.h"

#define HEAD_END     ",\"entries\":["
#define TEXT_MAX     1000
#define TABLES_MAX   200000
#define NOTES_MAX    100000
#define LAST_TIME_MS INT64_C(253402300799999) /* end of the year 9999 */

/* One JSON object while its keys are taken out. The first complaint is kept. */
struct taking {
    json_t *obj;
    const char *where; /* "" or "archive." */
    size_t taken;
    struct err *e;
    bool bad;
};

static void complain(struct taking *t, const char *key, const char *what)
{
    if (!t->bad)
        err_set(t->e, EINVAL, "manifest: %s%s %s", t->where, key, what);
    t->bad = true;
}

static json_t *take_member(struct taking *t, const char *key)
{
    json_t *v = json_object_get(t->obj, key);
    if (v)
        t->taken++;
    else
        complain(t, key, "is missing");
    return v;
}

static int64_t take_int(struct taking *t, const char *key, int64_t min, int64_t max)
{
    json_t *v = take_member(t, key);
    if (!v)
        return 0;
    if (!json_is_integer(v)) {
        complain(t, key, N_("is not a whole number"));
        return 0;
    }
    int64_t n = json_integer_value(v);
    if (n < min || n > max) {
        complain(t, key, N_("is out of range"));
        return 0;
    }
    return n;
}

static uint64_t take_uint(struct taking *t, const char *key)
{
    return (uint64_t)take_int(t, key, 0, INT64_MAX);
}

static bool take_bool(struct taking *t, const char *key)
{
    json_t *v = take_member(t, key);
    if (v && !json_is_boolean(v))
        complain(t, key, N_("is not true or false"));
    return json_is_true(v);
}

/* Borrowed; NULL after a complaint, or when null is allowed and given. */
static const char *take_text(struct taking *t, const char *key, bool null_allowed)
{
    json_t *v = take_member(t, key);
    if (!v || (null_allowed && json_is_null(v)))
        return NULL;
    const char *s = json_string_value(v);
    if (!s || strlen(s) > TEXT_MAX) {
        complain(t, key, s ? N_("is too long") : N_("is not a text"));
        return NULL;
    }
    return s;
}

static int take_word(struct taking *t, const char *key, const char *const *words, int count)
{
    const char *s = take_text(t, key, false);
    for (int i = 0; s && i < count; i++)
        if (strcmp(s, words[i]) == 0)
            return i;
    if (s)
        complain(t, key, N_("is not one of the known words"));
    return 0;
}

/* Hexadecimal digits into an array of size bytes with its NUL; stays empty for an allowed null. */
static void take_hex(struct taking *t, const char *key, bool null_allowed, char *out, size_t size)
{
    const char *s = take_text(t, key, null_allowed);
    if (s && !hex_valid(s, size - 1))
        complain(t, key, N_("is not as long as it must be, in lower-case hexadecimal"));
    else if (s)
        memcpy(out, s, size);
}

static void take_sha256(struct taking *t, const char *key, char out[static SHA256_HEX_LEN])
{
    take_hex(t, key, false, out, SHA256_HEX_LEN);
}

static int64_t take_time(struct taking *t, const char *key)
{
    int64_t ms = 0;
    const char *s = take_text(t, key, false);
    char again[CLOCK_ISO_LEN];
    /* Only our own form, so that nothing depends on the zone of the machine that reads it. */
    if (s && (strlen(s) != CLOCK_ISO_LEN - 1 || clock_parse(s, &ms) < 0 || ms < 0 ||
                 ms > LAST_TIME_MS || strcmp(clock_iso(ms, again), s) != 0))
        complain(t, key, N_("is not a time in UTC such as 2026-11-22T21:46:56.123Z"));
    return ms;
}

/* "path" or "path_hex"; malloc'ed, NULL after a complaint. */
static char *take_bytes(struct taking *t, const char *key)
{
    char hex_key[32];
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    json_t *hex = json_object_get(t->obj, hex_key);
    json_t *v = take_member(t, hex ? hex_key : key);
    const char *s = json_string_value(v);
    if (!s || !*s || strlen(s) > MANIFEST_PATH_MAX * (hex ? 2 : 1)) {
        complain(t, key, N_("is not a text of the right length"));
        return NULL;
    }
    if (!hex)
        return xstrdup(s);
    size_t len = strlen(s) / 2;
    char *out = xcalloc(len + 1, 1);
    for (size_t i = 0; i < len; i++) {
        char two[3] = {s[2 * i], s[2 * i + 1], 0};
        out[i] = (char)strtoul(two, NULL, 16);
    }
    if (!hex_valid(s, 2 * len) || strlen(out) != len) {
        complain(t, hex_key, N_("is not hexadecimal"));
        free(out);
        return NULL;
    }
    return out;
}

static bool done(struct taking *t)
{
    if (!t->bad && t->taken != json_object_size(t->obj))
        complain(t, "", N_("has a key that this version does not know"));
    return !t->bad;
}

static bool inner(struct taking *t, const char *key, const char *where, struct taking *out)
{
    json_t *v = take_member(t, key);
    if (v && !json_is_object(v))
        complain(t, key, N_("is not an object"));
    *out = (struct taking){v, where, 0, t->e, t->bad};
    return !t->bad;
}

static bool read_archive(struct taking *head, struct manifest *m)
{
    struct taking t;
    if (!inner(head, "archive", "archive.", &t))
        return false;
    const char *file = take_text(&t, "file", false);
    struct archive_name name;
    if (file &&
        (!archive_name_parse(file, &name) || name.part || name.kind != ARCHIVE_NAME_ARCHIVE ||
            strcmp(name.type, m->type) != 0 || strcmp(name.run, m->run) != 0))
        complain(&t, "file", N_("is not the name of this type and run"));
    m->archive.file = xstrdup(file);
    m->archive.size = take_uint(&t, "size");
    take_sha256(&t, "sha256", m->archive.sha256);
    m->archive.backend = xstrdup(take_text(&t, "backend", false));
    m->archive.level = (int)take_int(&t, "level", 0, 22);
    m->archive.encryption = xstrdup(take_text(&t, "encryption", true));
    if (m->archive.encryption && strcmp(m->archive.encryption, "age") != 0)
        complain(&t, "encryption", N_("is not known to this version"));
    return done(&t);
}

static bool read_content(struct taking *head, struct manifest *m)
{
    struct taking t;
    if (!inner(head, "content", "content.", &t))
        return false;
    m->content.files = take_uint(&t, "files");
    m->content.directories = take_uint(&t, "directories");
    m->content.symlinks = take_uint(&t, "symlinks");
    m->content.bytes = take_uint(&t, "bytes");
    m->content.tar_bytes = take_uint(&t, "tar_bytes");
    return done(&t);
}

/* Not in manifests from before binary logs were archived. */
static bool read_binlog(struct taking *head, struct manifest *m)
{
    struct taking t;
    uint64_t number;
    const json_t *there = json_object_get(head->obj, "binlog");
    if (!there || json_is_null(there)) {
        if (there)
            take_member(head, "binlog");
        return true;
    }
    if (!inner(head, "binlog", "server.binlog.", &t))
        return false;
    const char *file = take_text(&t, "file", false);
    if (file && !binlog_name_valid(file, &number))
        complain(&t, "file", N_("is not the name of a binary log"));
    else if (file)
        snprintf(m->server.binlog.file, sizeof m->server.binlog.file, "%s", file);
    m->server.binlog.position = take_uint(&t, "position");
    m->server.binlog.gtids = xstrdup(take_text(&t, "gtids", false));
    m->server.binlog.created = (uint32_t)take_int(&t, "created", 0, UINT32_MAX);
    return done(&t);
}

static bool read_server(struct taking *head, struct manifest *m)
{
    static const char *const states[] = {"clean", "recoverable", "dump"};
    struct taking t;
    if (json_is_null(json_object_get(head->obj, "server"))) {
        take_member(head, "server");
        return true;
    }
    if (!inner(head, "server", "server.", &t))
        return false;
    m->has_server = true;
    m->server.version = xstrdup(take_text(&t, "version", false));
    m->server.page_size = (uint32_t)take_int(&t, "page_size", 0, 1 << 20);
    m->server.lower_case_table_names = (int)take_int(&t, "lower_case_table_names", 0, 2);
    m->server.lsn = take_uint(&t, "lsn");
    m->server.state = xstrdup(states[take_word(&t, "state", states, 3)]);
    return read_binlog(&t, m) && done(&t);
}

static json_t *take_array(struct taking *t, const char *key, size_t max)
{
    json_t *list = take_member(t, key);
    if (list && !json_is_array(list))
        complain(t, key, N_("is not a list"));
    else if (json_array_size(list) > max)
        complain(t, key, N_("is too long"));
    return t->bad ? NULL : list;
}

static bool read_tables(struct taking *head, struct manifest *m)
{
    json_t *list = take_array(head, "tables", TABLES_MAX), *v;
    size_t i, n = json_array_size(list);
    m->tables = n ? xcalloc(n, sizeof *m->tables) : NULL;
    json_array_foreach (list, i, v) {
        struct taking t = {v, "tables.", 0, head->e, false};
        struct manifest_table *row = &m->tables[m->table_count++];
        row->schema = xstrdup(take_text(&t, "schema", false));
        row->name = xstrdup(take_text(&t, "name", false));
        row->engine = xstrdup(take_text(&t, "engine", true));
        row->rows = take_int(&t, "rows", -1, INT64_MAX);
        row->checksum = xstrdup(take_text(&t, "checksum", true));
        if (!done(&t))
            return false;
    }
    return !head->bad;
}

static bool read_notes(struct taking *head, struct manifest *m)
{
    json_t *list = take_array(head, "notes", NOTES_MAX), *v;
    size_t i, n = json_array_size(list);
    m->notes = n ? xcalloc(n, sizeof *m->notes) : NULL;
    json_array_foreach (list, i, v)
        if (!json_is_string(v))
            complain(head, "notes", N_("holds something that is not a text"));
        else
            m->notes[m->note_count++] = xstrdup(json_string_value(v));
    return !head->bad;
}

static bool read_identity(struct taking *t, struct manifest *m)
{
    static const char *const methods[] = {"physical", "dump", "files"};
    const char *format = take_text(t, "format", false);
    if (format && strcmp(format, "elexgate-manifest") != 0)
        complain(t, "format", N_("is not elexgate-manifest"));
    if (t->bad)
        return false;
    if (take_int(t, "version", 0, INT64_MAX) != m->version)
        complain(t, "version", N_("is not known: it was written by another version of Elexgate"));
    const char *type = take_text(t, "type", false);
    if (type && !archive_type_valid(type))
        complain(t, "type", N_("is not a valid name"));
    const char *run = take_text(t, "run", false);
    if (run && !run_suffix_valid(run))
        complain(t, "run", N_("is not of the form YYYY-MM-DD-HHmm"));
    if (t->bad)
        return false;
    memcpy(m->type, type, strlen(type) + 1);
    memcpy(m->run, run, strlen(run) + 1);
    m->method = (enum manifest_method)take_word(t, "method", methods, 3);
    m->started_ms = take_time(t, "started");
    m->finished_ms = take_time(t, "finished");
    m->local_time = xstrdup(take_text(t, "local_time", false));
    m->zone = xstrdup(take_text(t, "zone", false));
    m->host = xstrdup(take_text(t, "host", false));
    m->program = xstrdup(take_text(t, "program", false));
    m->brief = take_bool(t, m->version == 1 ? "sealed" : "brief");
    return !t->bad;
}

/* What version 1 had not. */
static bool read_bonds(struct taking *t, struct manifest *m)
{
    if (m->version == 1)
        return true;
    m->sequence = take_uint(t, "sequence");
    take_hex(t, "installation", true, m->installation, sizeof m->installation);
    take_hex(t, "full_sha256", true, m->full_sha256, sizeof m->full_sha256);
    take_sha256(t, "entries_sha256", m->entries_sha256);
    if (!t->bad && m->brief != (m->full_sha256[0] != 0))
        complain(t, "full_sha256", N_("does not fit to brief"));
    return !t->bad;
}

static bool read_head(struct taking *t, struct manifest *m)
{
    if (!read_identity(t, m) || !read_bonds(t, m) || !read_archive(t, m) || !read_content(t, m) ||
        !read_server(t, m) || !read_tables(t, m) || !read_notes(t, m))
        return false;
    json_t *info = take_member(t, "info");
    if (info && !json_is_object(info))
        complain(t, "info", N_("is not an object"));
    m->info = json_incref(info);
    take_member(t, "entries");
    if (m->brief && (m->table_count > 0 || m->note_count > 0))
        complain(t, "brief", N_("does not fit: tables or notes are readable"));
    return done(t);
}

/* A JSON object without duplicate keys, or a complaint. */
static json_t *load(const char *text, size_t len, struct err *e)
{
    json_error_t je;
    json_t *obj = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
    if (!json_is_object(obj)) {
        err_set(e, EINVAL, "manifest: not JSON as Elexgate writes it (%s)",
            obj ? "no object" : je.text);
        json_decref(obj);
        return NULL;
    }
    return obj;
}

int manifest_seal_parse(const char *text, size_t len, struct manifest_seal *out, struct err *e)
{
    static const char old[] = "{\"format\":", begin[] = "{\"head_sha256\":";
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len >= sizeof old - 1 && memcmp(text, old, sizeof old - 1) == 0)
        return 1;
    if (len < sizeof begin || memcmp(text, begin, sizeof begin - 1) != 0 || text[len - 1] != ',')
        return err_set(e, EINVAL,
            "manifest: the first line is not as Elexgate writes it; the file was cut or reformatted");
    char *whole = xmalloc(len);
    memcpy(whole, text, len - 1);
    whole[len - 1] = '}';
    json_t *obj = load(whole, len, e);
    free(whole);
    if (!obj)
        return -EINVAL;
    struct manifest_seal seal = {0};
    struct taking head = {obj, "", 0, e, false}, t;
    take_sha256(&head, "head_sha256", seal.digest);
    bool none = json_is_null(json_object_get(obj, "seal"));
    if (none) {
        take_member(&head, "seal");
    } else if (inner(&head, "seal", "seal.", &t)) {
        take_hex(&t, "key", false, seal.key, sizeof seal.key);
        take_hex(&t, "signature", false, seal.signature, sizeof seal.signature);
        head.bad = !done(&t);
    }
    bool good = done(&head);
    json_decref(obj);
    if (!good)
        return -EINVAL;
    *out = seal;
    return 0;
}

int manifest_head_parse(const char *text, size_t len, struct manifest *out, struct err *e)
{
    static const char end[] = HEAD_END;
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len < sizeof end || memcmp(text + len - (sizeof end - 1), end, sizeof end - 1) != 0)
        return err_set(e, EINVAL,
            "manifest: the first line does not end with the begin of the entries; the file was cut or reformatted");
    bool old = text[0] == '{'; /* version 1 has no line before it */
    char *whole = xmalloc(len + 3);
    whole[0] = '{';
    memcpy(whole + !old, text, len);
    memcpy(whole + !old + len, "]}", 2);
    json_t *obj = load(whole, !old + len + 2, e);
    free(whole);
    if (!obj)
        return -EINVAL;

    struct manifest m = {.version = old ? 1 : MANIFEST_VERSION};
    struct taking t = {obj, "", 0, e, false};
    bool good = read_head(&t, &m);
    json_decref(obj);
    if (!good) {
        manifest_clear(&m);
        return -EINVAL;
    }
    *out = m;
    return 0;
}

static void read_file_entry(struct taking *t, struct manifest_entry *en)
{
    en->size = take_uint(t, "size");
    en->stored = en->size;
    if (json_object_get(t->obj, "stored")) {
        en->stored = take_uint(t, "stored");
        if (en->stored >= en->size)
            complain(t, "stored", N_("is not smaller than size"));
    }
    take_sha256(t, "sha256", en->sha256);
}

static bool read_flag(struct taking *t, const char *key)
{
    return json_object_get(t->obj, key) && take_bool(t, key);
}

int manifest_entry_parse(const char *text, size_t len, struct manifest_entry *out, struct err *e)
{
    static const char *const types[] = {"file", "directory", "symlink"};
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (len > 0 && text[len - 1] == ',')
        len--;
    json_t *obj = load(text, len, e);
    if (!obj)
        return -EINVAL;
    struct manifest_entry en = {0};
    struct taking t = {obj, "entries.", 0, e, false};
    en.path = take_bytes(&t, "path");
    if (en.path && !manifest_path_valid(en.path))
        complain(&t, "path", N_("leaves its folder"));
    en.type = (enum manifest_entry_type)take_word(&t, "type", types, 3);
    en.mode = (uint32_t)take_int(&t, "mode", 0, 07777);
    en.mtime_ns = take_int(&t, "mtime_ns", INT64_MIN, INT64_MAX);
    if (!t.bad && en.type == ENTRY_FILE)
        read_file_entry(&t, &en);
    if (!t.bad && en.type == ENTRY_SYMLINK)
        en.target = take_bytes(&t, "target");
    en.replaced = read_flag(&t, "replaced");
    en.unstable = read_flag(&t, "unstable");
    bool good = done(&t);
    json_decref(obj);
    if (!good) {
        manifest_entry_clear(&en);
        return -EINVAL;
    }
    *out = en;
    return 0;
}
