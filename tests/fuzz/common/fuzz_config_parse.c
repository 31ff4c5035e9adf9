/*
 * Configuration text: never crashes, names file and line in every error, and what was accepted once
 * is accepted again with the same values.
 */
#include <stdint.h>
#include <string.h>

#include "common/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void differs(void *ctx, const struct option *o, const char *name, const char *old_value,
    const char *new_value)
{
    (void)ctx, (void)o, (void)name, (void)old_value, (void)new_value;
    CHECK(false && "the same text gives the same configuration");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config *a = NULL, *b = NULL;
    struct err e = {0};
    int r = config_parse((const char *)data, size, "/etc/elexgate/fuzz.ini", &a, &e);

    if (r < 0) {
        CHECK(!a && e.code == -r);
        CHECK(strncmp(e.text, "/etc/elexgate/fuzz.ini:", 23) == 0);
        return 0;
    }
    CHECK(a && config_section(a, "listen", 0));
    CHECK(config_parse((const char *)data, size, "/etc/elexgate/fuzz.ini", &b, &e) == 0);
    config_diff(a, b, differs, NULL);
    config_free(a);
    config_free(b);
    return 0;
}
