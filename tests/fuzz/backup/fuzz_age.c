/*
 * Any bytes as an encrypted file, opened with a file's own key; and keys as
 * text. Nothing that was not made with the key opens.
 */
#include <stdint.h>
#include <string.h>

#include "backup/archive/age.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory {
    struct source base;
    const uint8_t *data;
    size_t len;
};

static ssize_t memory_read(struct source *s, void *buf, size_t len, struct err *e)
{
    struct memory *m = (struct memory *)s;
    size_t n = m->len < len ? m->len : len;
    (void)e;
    memcpy(buf, m->data, n);
    m->data += n;
    m->len -= n;
    return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[AGE_FILE_KEY] = "sixteen bytes...";
    struct memory m = {{memory_read, NULL}, data, size};
    struct source *s = NULL;
    struct err e = {0};
    char text[128];
    uint8_t parsed[AGE_KEY_SIZE];

    if (age_source_with_key(&m.base, key, &s, &e) == 0) {
        uint8_t buf[1000];
        while (s->read(s, buf, sizeof buf, &e) > 0)
            continue;
        s->drop(s);
    } else {
        CHECK(e.code && !s);
    }
    if (size < sizeof text) {
        memcpy(text, data, size);
        text[size] = 0;
        if (age_recipient_parse(text, parsed, &e) == 0)
            CHECK(strncmp(text, "age1", 4) == 0);
        if (age_identity_parse(text, parsed, &e) == 0)
            CHECK(strncmp(text, "AGE-SECRET-KEY-1", 16) == 0);
    }
    return 0;
}
