/*
 * libuv's codes folded into a struct err. Apart, so that only programs that link libuv need it.
 */
#include <errno.h>
#include <uv.h>
#include "common/error.h"

int err_uv(struct err *e, int uvcode, const char *fmt, ...)
{
    char text[128];
    struct err why = {0};
    va_list ap;

    CHECK(uvcode < 0);
    /* libuv's own codes (UV_EOF, UV_EAI_*) are below every errno value: to the caller they are an
     * I/O error whose words say more. */
    int code = uvcode > -1000 ? -uvcode : EIO;
    if (!e)
        return -code;
    (void)err_set(&why, code, "%s", uv_strerror_r(uvcode, text, sizeof text));
    va_start(ap, fmt);
    (void)err_prefix_v(&why, -code, fmt, ap);
    va_end(ap);
    *e = why;
    return -code;
}
