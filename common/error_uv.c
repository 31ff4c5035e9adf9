/*
 * libuv's codes folded into a struct err. Apart, so that only programs that link libuv need it.
 */
#include <errno.h>
#include <stdio.h>
#include <uv.h>
#include "common/utf8.h"

#include "common/error.h"

int err_uv(struct err *e, int uvcode, const char *fmt, ...)
{
    char prefix[sizeof e->text], text[128];
    va_list ap;

    CHECK(uvcode < 0);
    va_start(ap, fmt);
    utf8_format_v(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    /* libuv's own codes (UV_EOF, UV_EAI_*) are below every errno value: to the caller they are an
     * I/O error whose words say more. */
    int code = uvcode > -1000 ? -uvcode : EIO;
    return err_set(e, code, "%s: %s", prefix, uv_strerror_r(uvcode, text, sizeof text));
}
