/*
 * Seals, heads and entries: what is accepted is written again to something that is accepted and
 * says the same; a path that is accepted stays beneath its folder.
 */
#include <stdint.h>
#include <string.h>

#include "backup/rules/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_head(const char *text, size_t size)
{
    struct manifest m, again;
    struct err e = {0};
    if (manifest_head_parse(text, size, &m, &e) != 0) {
        CHECK(e.code && e.text[0]);
        return;
    }
    if (m.version == 1) { /* never written */
        manifest_clear(&m);
        return;
    }
    char *first = manifest_head_text(&m);
    CHECK(manifest_head_parse(first, strlen(first), &again, &e) == 0);
    char *second = manifest_head_text(&again);
    CHECK(strcmp(first, second) == 0);
    free(first);
    free(second);
    manifest_clear(&m);
    manifest_clear(&again);
}

static void try_entry(const char *text, size_t size)
{
    struct manifest_entry en, again;
    struct err e = {0};
    if (manifest_entry_parse(text, size, &en, &e) != 0) {
        CHECK(e.code && e.text[0]);
        return;
    }
    CHECK(en.path[0] != '/' && !strstr(en.path, "/../") && strncmp(en.path, "../", 3) != 0 &&
          strcmp(en.path, "..") != 0);
    char *first = manifest_entry_text(&en);
    CHECK(manifest_entry_parse(first, strlen(first), &again, &e) == 0);
    CHECK(strcmp(en.path, again.path) == 0 && en.size == again.size);
    free(first);
    manifest_entry_clear(&en);
    manifest_entry_clear(&again);
}

static void try_seal(const char *text, size_t size)
{
    struct manifest_seal seal = {0}, again;
    struct err e = {0};
    int r = manifest_seal_parse(text, size, &seal, &e);
    if (r != 0) {
        CHECK(!seal.key[0] && (r == 1 || (e.code && e.text[0])));
        return;
    }
    char *first = manifest_seal_text(&seal);
    CHECK(manifest_seal_parse(first, strlen(first), &again, &e) == 0);
    CHECK(strcmp(seal.key, again.key) == 0 && strcmp(seal.signature, again.signature) == 0);
    free(first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_seal((const char *)data, size);
    try_head((const char *)data, size);
    try_entry((const char *)data, size);
    return 0;
}
