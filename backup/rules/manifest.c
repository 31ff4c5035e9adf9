/* The manifest: struct to text. Parsing is in manifest_parse.c. */
#include "backup/rules/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json_get.h"
#include "common/hex.h"
#include "common/phrase.h"
#include "common/sql_name.h"
#include "common/utf8.h"

const char *manifest_method_name(enum manifest_method m)
{
    static const char *const names[] = {
        [MANIFEST_PHYSICAL] = "physical", [MANIFEST_DUMP] = "dump", [MANIFEST_FILES] = "files"};
    return names[m];
}

void manifest_clear(struct manifest *m)
{
    free(m->local_time);
    free(m->zone);
    free(m->host);
    free(m->program);
    free(m->archive.file);
    free(m->archive.backend);
    free(m->archive.encryption);
    free(m->server.version);
    free(m->server.state);
    free(m->server.binlog.gtids);
    for (size_t i = 0; i < m->table_count; i++) {
        free(m->tables[i].schema);
        free(m->tables[i].name);
        free(m->tables[i].engine);
        free(m->tables[i].checksum);
    }
    free(m->tables);
    for (size_t i = 0; i < m->note_count; i++)
        free(m->notes[i]);
    free(m->notes);
    json_decref(m->info);
    memset(m, 0, sizeof *m);
}

void manifest_entry_clear(struct manifest_entry *en)
{
    free(en->path);
    free(en->target);
    memset(en, 0, sizeof *en);
}

void manifest_add_table(struct manifest *m, const char *schema, const char *name,
    const char *engine, int64_t rows, const char *checksum)
{
    m->tables = xrealloc(m->tables, (m->table_count + 1) * sizeof *m->tables);
    m->tables[m->table_count++] = (struct manifest_table){
        xstrdup(schema), xstrdup(name), xstrdup(engine), rows, xstrdup(checksum)};
}

const struct manifest_table *manifest_find_table(
    const struct manifest *m, const char *schema, const char *name)
{
    for (size_t i = 0; i < m->table_count; i++)
        if (strcmp(m->tables[i].schema, schema) == 0 && strcmp(m->tables[i].name, name) == 0)
            return &m->tables[i];
    return NULL;
}

void manifest_add_newest(struct manifest *m, const char *schema, const char *name, int64_t ms)
{
    _cleanup_free_ char *both = sql_name_table(schema, name);
    if (!m->info)
        m->info = json_object();
    if (!json_object_get(m->info, "newest"))
        (void)json_object_set_new(m->info, "newest", json_object());
    (void)json_object_set_new(
        json_object_get(m->info, "newest"), both, json_integer((json_int_t)ms));
}

int64_t manifest_newest(const struct manifest *m, const char *schema, const char *name)
{
    json_t *all = json_object_get(m->info, "newest"), *ms;
    const char *key;
    int64_t newest = 0;
    _cleanup_free_ char *both = schema ? sql_name_table(schema, name) : NULL;
    json_object_foreach (all, key, ms)
        if ((!both || strcmp(key, both) == 0) && json_integer_value(ms) > newest)
            newest = json_integer_value(ms);
    return newest;
}

void manifest_add_note(struct manifest *m, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_t *note = phrase_v(fmt, ap);
    va_end(ap);
    m->notes = xrealloc(m->notes, (m->note_count + 1) * sizeof *m->notes);
    m->notes[m->note_count++] = phrase_words(LANG_EN, note);
    json_decref(note);
}

bool manifest_path_valid(const char *path)
{
    size_t len = strlen(path);
    if (len == 0 || len > MANIFEST_PATH_MAX)
        return false;
    for (const char *p = path;;) {
        size_t n = strcspn(p, "/");
        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        if (!p[n])
            return true;
        p += n + 1;
    }
}

static json_t *text_or_null(const char *s)
{
    return json_text(s);
}

static json_t *filled_or_null(const char *s)
{
    return *s ? json_string(s) : json_null();
}

static json_t *unsigned_json(uint64_t v)
{
    return json_integer((json_int_t)(v <= INT64_MAX ? v : INT64_MAX)); /* a server's figures */
}

static json_t *build_binlog(const struct manifest *m)
{
    if (!m->server.binlog.file[0])
        return json_null();
    return json_pack("{s:s,s:o,s:o,s:I}", "file", m->server.binlog.file, "position",
        unsigned_json(m->server.binlog.position), "gtids",
        json_text(m->server.binlog.gtids ? m->server.binlog.gtids : ""), "created",
        (json_int_t)m->server.binlog.created);
}

static json_t *build_server(const struct manifest *m)
{
    if (!m->has_server)
        return json_null();
    return json_pack("{s:o,s:o,s:i,s:o,s:o,s:o}", "version", text_or_null(m->server.version),
        "page_size", unsigned_json(m->server.page_size), "lower_case_table_names",
        m->server.lower_case_table_names, "lsn", unsigned_json(m->server.lsn), "state",
        text_or_null(m->server.state), "binlog", build_binlog(m));
}

static json_t *build_tables(const struct manifest *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->table_count; i++) {
        const struct manifest_table *t = &m->tables[i];
        json_array_append_new(
            list, json_pack("{s:o,s:o,s:o,s:I,s:o}", "schema", json_text(t->schema), "name",
                      json_text(t->name), "engine", text_or_null(t->engine), "rows",
                      (json_int_t)t->rows, "checksum", text_or_null(t->checksum)));
    }
    return list;
}

static json_t *build_notes(const struct manifest *m)
{
    json_t *list = json_array();
    for (size_t i = 0; i < m->note_count; i++)
        json_array_append_new(list, json_text(m->notes[i]));
    return list;
}

static json_t *build_head(const struct manifest *m)
{
    char started[CLOCK_ISO_LEN], finished[CLOCK_ISO_LEN];
    json_t *head = json_pack("{s:s,s:i,s:s,s:s,s:o,s:o,s:s,s:s,s:s,s:o,s:o,s:o,s:o,s:b,s:o,s:s}",
        "format", "elexgate-manifest", "version", MANIFEST_VERSION, "type", m->type, "run", m->run,
        "sequence", unsigned_json(m->sequence), "installation", filled_or_null(m->installation),
        "method", manifest_method_name(m->method), "started", clock_iso(m->started_ms, started),
        "finished", clock_iso(m->finished_ms, finished), "local_time", json_text(m->local_time),
        "zone", json_text(m->zone), "host", json_text(m->host), "program", json_text(m->program),
        "brief", m->brief, "full_sha256", filled_or_null(m->full_sha256), "entries_sha256",
        m->entries_sha256);
    CHECK(head);
    json_t *archive = json_pack("{s:s,s:o,s:s,s:s,s:i,s:o}", "file", m->archive.file, "size",
        unsigned_json(m->archive.size), "sha256", m->archive.sha256, "backend", m->archive.backend,
        "level", m->archive.level, "encryption", text_or_null(m->archive.encryption));
    json_t *content = json_pack("{s:o,s:o,s:o,s:o,s:o}", "files", unsigned_json(m->content.files),
        "directories", unsigned_json(m->content.directories), "symlinks",
        unsigned_json(m->content.symlinks), "bytes", unsigned_json(m->content.bytes), "tar_bytes",
        unsigned_json(m->content.tar_bytes));
    CHECK(archive && content);
    json_object_set_new(head, "archive", archive);
    json_object_set_new(head, "content", content);
    json_object_set_new(head, "server", build_server(m));
    json_object_set_new(head, "tables", build_tables(m));
    json_object_set_new(head, "notes", build_notes(m));
    if (m->info)
        json_object_set(head, "info", m->info);
    else
        json_object_set_new(head, "info", json_object());
    return head;
}

char *manifest_seal_text(const struct manifest_seal *seal)
{
    if (!seal->key[0])
        return xasprintf("{\"head_sha256\":\"%s\",\"seal\":null,\n", seal->digest);
    return xasprintf("{\"head_sha256\":\"%s\",\"seal\":{\"key\":\"%s\",\"signature\":\"%s\"},\n",
        seal->digest, seal->key, seal->signature);
}

char *manifest_head_text(const struct manifest *m)
{
    _cleanup_json_ json_t *head = build_head(m);
    _cleanup_free_ char *text = json_dumps(head, JSON_COMPACT);
    CHECK(text);
    size_t len = strlen(text);
    CHECK(len > 2 && text[0] == '{' && text[len - 1] == '}');
    text[len - 1] = 0;
    return xasprintf("%s,\"entries\":[\n", text + 1);
}

/* "path":… if the bytes are UTF-8, else "path_hex":… */
static void set_bytes(json_t *obj, const char *key, const char *bytes)
{
    size_t len = strlen(bytes);
    if (utf8_check(bytes, len) == len) {
        json_object_set_new(obj, key, json_string(bytes));
        return;
    }
    char hex_key[32];
    char *hex = xmalloc(2 * len + 1);
    hex_text(bytes, len, hex);
    snprintf(hex_key, sizeof hex_key, "%s_hex", key);
    json_object_set_new(obj, hex_key, json_string(hex));
    free(hex);
}

char *manifest_entry_text(const struct manifest_entry *en)
{
    static const char *const types[] = {
        [ENTRY_FILE] = "file", [ENTRY_DIRECTORY] = "directory", [ENTRY_SYMLINK] = "symlink"};
    _cleanup_json_ json_t *obj = json_object();
    set_bytes(obj, "path", en->path);
    json_object_set_new(obj, "type", json_string(types[en->type]));
    json_object_set_new(obj, "mode", json_integer((json_int_t)en->mode));
    json_object_set_new(obj, "mtime_ns", json_integer((json_int_t)en->mtime_ns));
    if (en->type == ENTRY_FILE) {
        json_object_set_new(obj, "size", unsigned_json(en->size));
        if (en->stored != en->size)
            json_object_set_new(obj, "stored", unsigned_json(en->stored));
        json_object_set_new(obj, "sha256", json_string(en->sha256));
    }
    if (en->type == ENTRY_SYMLINK)
        set_bytes(obj, "target", en->target);
    if (en->replaced)
        json_object_set_new(obj, "replaced", json_true());
    if (en->unstable)
        json_object_set_new(obj, "unstable", json_true());
    char *text = json_dumps(obj, JSON_COMPACT);
    CHECK(text);
    return text;
}
