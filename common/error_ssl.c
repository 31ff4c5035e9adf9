/*
 * OpenSSL's error queue folded into a struct err. Apart, so that only programs that link OpenSSL
 * need it.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "common/utf8.h"

#include "common/error.h"

/* The oldest entries name the cause, later ones only how far it was passed on. */
#define SHOWN 3

int err_ssl(struct err *e, const char *fmt, ...)
{
    char queue[sizeof e->text] = "";
    struct err why = {0};
    size_t used = 0;
    unsigned shown = 0;
    int code = EIO;
    unsigned long packed;
    const char *data;
    int flags;

    while ((packed = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        if (ERR_GET_REASON(packed) == ERR_R_MALLOC_FAILURE)
            code = ENOMEM;
        const char *reason = ERR_reason_error_string(packed);
        char unnamed[32];
        if (!reason) {
            snprintf(unnamed, sizeof unnamed, "OpenSSL error %08lX", packed);
            reason = unnamed;
        }
        if (shown++ >= SHOWN)
            continue; /* the queue is emptied all the same */
        bool has_data = data && *data && (flags & ERR_TXT_STRING);
        used += utf8_format(queue + used, sizeof queue - used, "%s%s%s%s%s", used ? "; " : "",
            reason, has_data ? " (" : "", has_data ? data : "", has_data ? ")" : "");
    }
    va_list ap;
    va_start(ap, fmt);
    if (shown) {
        (void)err_set(&why, code, "%s", queue);
        (void)err_prefix_v(&why, -code, fmt, ap);
    } else {
        (void)err_set_v(&why, code, fmt, ap);
    }
    va_end(ap);
    if (e)
        *e = why;
    return -code;
}
