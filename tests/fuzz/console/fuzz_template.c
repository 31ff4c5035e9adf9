/*
 * First line: the model as JSON; the rest: the template, which is its own partial "self" too.
 * Whatever they are, the result is text within the bounds or an error with words; and what was
 * escaped holds no bare < any more.
 */
#include <stdint.h>
#include <string.h>

#include "console/view/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct self {
    const char *text;
    size_t len;
};

static const char *partial(void *ctx, const char *name, size_t *len)
{
    const struct self *self = ctx;
    *len = self->len;
    return strcmp(name, "self") == 0 ? self->text : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *end = memchr(text, '\n', size);
    size_t n = end ? (size_t)(end - text) : 0;
    json_t *model = n > 0 && n < 4000 ? json_loadb(text, n, 0, NULL) : NULL;
    struct self self = {end ? end + 1 : text, end ? size - n - 1 : size};
    struct err e = {0};
    char *out = NULL;
    size_t len = 0;

    if (!model)
        model = json_pack("{sss[iii]s{ss}sb}", "x", "<&\"'>", "l", 1, 2, 3, "o", "y", "<", "t", 1);
    int r = template_render("fuzz", self.text, self.len, model, partial, &self, &out, &len, &e);
    if (r == 0) {
        CHECK(out && out[len] == '\0' && len <= TEMPLATE_OUTPUT_MAX);
        /* all < come from the template itself or through {{{ }}} */
        if (!memchr(self.text, '<', self.len) && !memmem(self.text, self.len, "{{{", 3))
            CHECK(!memchr(out, '<', len));
    } else {
        CHECK(!out && r == -e.code && e.text[0]);
    }
    free(out);
    json_decref(model);
    return 0;
}
