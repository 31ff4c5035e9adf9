/*
 * UTF-8, as far as logs, messages and tables need it.
 */
#ifndef ELEXGATE_COMMON_UTF8_H
#define ELEXGATE_COMMON_UTF8_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/memory.h"

/* Decodes the character at s (n > 0 bytes are there). Returns its length 1..4, or 0 if the bytes
 * are not well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF). */
size_t utf8_decode(const char *s, size_t n, uint32_t *out);
/* Offset of the first byte that is not well-formed; n if all is. */
size_t utf8_check(const char *s, size_t n);
/* The longest beginning of s (n bytes) that has at most max bytes and cuts no character in two. */
size_t utf8_cut(const char *s, size_t n, size_t max);
/* Copies text from outside to where only UTF-8 may stand (JSON, messages): each byte that is not
 * well-formed becomes '?', and what does not fit is cut off between two characters. size > 0 is
 * that of buf, with the NUL. text may be buf itself, or NULL for no text. Returns buf. */
char *utf8_copy(char *buf, size_t size, const char *text);
/* As snprintf, for words: what comes out is UTF-8 and ends between two characters. Arguments may
 * point into buf. Returns the length of what stands in buf now. */
size_t utf8_format(char *buf, size_t size, const char *fmt, ...) PRINTF(3, 4);
size_t utf8_format_v(char *buf, size_t size, const char *fmt, va_list ap) PRINTF(3, 0);
/* text cut to max bytes for the middle of a message, where a precision would halve a character.
 * Lives to the end of the block. */
#define UTF8_SHORT(text, max) utf8_copy((char[(max) + 1]){""}, (max) + 1, (text))
/* true for what must not reach a terminal or a log line: C0 and C1 controls, DEL, line separators
 * and the marks that turn the direction of the text. */
bool utf8_is_control(uint32_t c);

#endif
