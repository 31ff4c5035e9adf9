#include "cli/output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "common/units.h"
#include "common/phrase.h"
#include "common/utf8.h"

#define GAP        2 /* blanks between columns */
#define COLUMN_MIN 4 /* cut no column below this */
#define BELOW      4 /* where begins what stands below its row */

/* Columns of the terminal on standard output ($COLUMNS first); 0 when it is not a terminal. */
static size_t output_width(void)
{
    const char *columns = getenv("COLUMNS");
    struct winsize ws;
    int64_t n;

    if (columns && units_parse_int(columns, &n) == 0 && n >= 20 && n <= 10000)
        return (size_t)n;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col ? ws.ws_col : 80;
}

static char *safe(const char *s, bool lines)
{
    size_t n = s ? strlen(s) : 0, w = 0;
    char *out = xmalloc(n + 1);
    uint32_t c;

    for (size_t i = 0; i < n;) {
        size_t len = utf8_decode(s + i, n - i, &c);
        if (len == 0 || (utf8_is_control(c) && !(lines && c == '\n'))) {
            out[w++] = '?';
            i += len ? len : 1;
        } else {
            memcpy(out + w, s + i, len);
            w += len;
            i += len;
        }
    }
    out[w] = '\0';
    return out;
}

char *output_safe(const char *s)
{
    return safe(s, false);
}

char *output_safe_lines(const char *s)
{
    return safe(s, true);
}

static size_t columns_of(uint32_t c)
{
    int w = wcwidth((wchar_t)c);

    return w < 0 ? 1 : (size_t)w; /* -1: not printable in this locale; a terminal shows one sign */
}

size_t output_columns(const char *s)
{
    size_t n = strlen(s), columns = 0;
    uint32_t c;

    for (size_t i = 0; i < n;) {
        size_t len = utf8_decode(s + i, n - i, &c);
        columns += len ? columns_of(c) : 1;
        i += len ? len : 1;
    }
    return columns;
}

/* Bytes of s that fit into a line of room columns: up to a blank, else (a fingerprint, a path) up
 * to and with a ":" or "/", else as many as there is room for. */
static size_t line_of(const char *s, size_t n, size_t room)
{
    size_t at = 0, used = 0, blank = 0, sign = 0;
    uint32_t c;

    while (at < n) {
        size_t len = utf8_decode(s + at, n - at, &c);
        used += len ? columns_of(c) : 1;
        if (s[at] == ' ')
            blank = at;
        if (used > room)
            return blank ? blank : sign ? sign : at ? at : 1;
        at += len ? len : 1;
        if (c == ':' || c == '/')
            sign = at;
    }
    return n;
}

static void print_line(const char *s, size_t n, size_t indent, size_t width)
{
    size_t lead = strspn(s, " ") < n ? strspn(s, " ") : n, room = width - lead;

    fwrite(s, 1, lead, stdout);
    for (s += lead, n -= lead; n > 0;) {
        size_t fits = line_of(s, n, room);
        fwrite(s, 1, fits, stdout);
        for (s += fits, n -= fits; n > 0 && *s == ' '; n--)
            s++;
        if (n > 0)
            printf("\n%*s", (int)indent, "");
        room = width - indent;
    }
}

void output_lines(const char *text, size_t indent)
{
    size_t width = output_width();

    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        size_t n = (size_t)(end - text);
        if (width > indent + strspn(text, " "))
            print_line(text, n, indent, width);
        else
            fwrite(text, 1, n, stdout);
        putchar('\n');
    }
}

void output_say(size_t indent, const char *fmt, ...)
{
    _cleanup_free_ char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    CHECK(n >= 0);
    output_lines(text, indent);
}

char *output_member(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (json_is_string(v))
        return output_safe(json_string_value(v));
    if (json_is_integer(v))
        return xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
    if (json_is_real(v))
        return xasprintf("%g", json_real_value(v));
    if (json_is_boolean(v))
        return xstrdup(json_is_true(v) ? "yes" : "no");
    return xstrdup("");
}

char *output_list(const json_t *array)
{
    char *all = xstrdup("");
    size_t i;
    const json_t *text;
    json_array_foreach ((json_t *)(uintptr_t)array, i, text) {
        _cleanup_free_ char *one = output_safe(json_string_value(text)), *before = all;
        all = xasprintf("%s%s%s", before, *before ? ", " : "", one);
    }
    return all;
}

void output_texts(const char *label, const json_t *list)
{
    size_t i;
    const json_t *text;
    if (json_array_size(list) > 0)
        printf("%s:\n", label);
    json_array_foreach ((json_t *)(uintptr_t)list, i, text) {
        _cleanup_free_ char *safe = output_safe(json_string_value(text));
        printf("  %s\n", safe);
    }
}

char *output_words(enum lang lang, const json_t *object, const char *key)
{
    _cleanup_free_ char *words = phrase_in(lang, object, key);
    return output_safe(words);
}

int64_t output_number(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

bool output_colour(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && (!no || !*no) && (!term || strcmp(term, "dumb") != 0);
}

struct table {
    size_t columns, rows;
    bool *right, *whole, *spare, *below; /* of each column */
    char **cells;                        /* row by row; row 0 holds the headings */
};

struct table *table_create(const char *const *headings)
{
    struct table *t = xcalloc(1, sizeof *t);

    while (headings[t->columns])
        t->columns++;
    t->right = xcalloc(t->columns, sizeof *t->right);
    t->whole = xcalloc(t->columns, sizeof *t->whole);
    t->spare = xcalloc(t->columns, sizeof *t->spare);
    t->below = xcalloc(t->columns, sizeof *t->below);
    const char **row = xcalloc(t->columns, sizeof *row);
    for (size_t i = 0; i < t->columns; i++) {
        for (row[i] = headings[i]; *row[i] && strchr("<>!?+", *row[i]); row[i]++) {
            t->right[i] |= *row[i] == '>';
            t->whole[i] |= *row[i] == '!';
            t->spare[i] |= *row[i] == '?';
            t->below[i] |= *row[i] == '+';
        }
    }
    table_add(t, row);
    free(row);
    return t;
}

void table_add(struct table *t, const char *const *cells)
{
    t->cells = xrealloc(t->cells, (t->rows + 1) * t->columns * sizeof *t->cells);
    for (size_t i = 0; i < t->columns; i++)
        t->cells[t->rows * t->columns + i] = output_safe(cells[i]);
    t->rows++;
}

static const char *cell(const struct table *t, size_t row, size_t column)
{
    return t->cells[row * t->columns + column];
}

static size_t sum_of(const size_t *widths, const bool *shown, size_t columns)
{
    size_t sum = 0, n = 0;
    for (size_t i = 0; i < columns; i++) {
        sum += shown[i] ? widths[i] : 0;
        n += shown[i];
    }
    return n ? sum + (n - 1) * GAP : 0;
}

/* The widest of those that may be cut and still can; columns: none. */
static size_t widest_of(const size_t *widths, const bool *shown, const bool *spared, size_t columns)
{
    size_t widest = columns;
    for (size_t i = 0; i < columns; i++)
        if (shown[i] && !(spared && spared[i]) && widths[i] > COLUMN_MIN &&
            (widest == columns || widths[i] > widths[widest]))
            widest = i;
    return widest;
}

/* Takes columns away from whichever is the widest, one at a time: short columns stay whole, and
 * those that the question is about are cut when nothing else is left to cut. */
static void fit(size_t *widths, const bool *shown, const bool *whole, size_t columns, size_t total)
{
    while (sum_of(widths, shown, columns) > total) {
        size_t widest = widest_of(widths, shown, whole, columns);
        if (widest == columns)
            widest = widest_of(widths, shown, NULL, columns);
        if (widest == columns)
            return;
        widths[widest]--;
    }
}

/* Prints at most width columns of s; the last one is an ellipsis where something is cut off. */
static void print_cut(const char *s, size_t width)
{
    size_t n = strlen(s), used = 0;
    bool cut = output_columns(s) > width;
    uint32_t c;

    for (size_t i = 0; i < n;) {
        size_t len = utf8_decode(s + i, n - i, &c);
        size_t w = columns_of(c);
        if (used + w > (cut ? width - 1 : width))
            break;
        fwrite(s + i, 1, len, stdout);
        used += w;
        i += len;
    }
    if (cut)
        fputs("…", stdout);
}

static void print_cell(const char *s, size_t width, bool right, bool last)
{
    size_t columns = output_columns(s);
    size_t pad = columns < width ? width - columns : 0;

    if (right)
        printf("%*s", (int)pad, "");
    print_cut(s, width);
    if (!right && !last)
        printf("%*s", (int)pad, "");
    fputs(last ? "\n" : "  ", stdout);
}

/* Leaves out what can be spared, the last column first, until the rest fits. */
static bool spare_columns(const struct table *t, const size_t *widths, bool *shown, size_t width)
{
    for (size_t i = t->columns; i-- > 0 && sum_of(widths, shown, t->columns) > width;)
        if (t->spare[i])
            shown[i] = false;
    return sum_of(widths, shown, t->columns) <= width;
}

/* What a narrow terminal has no room for beside the rest, each with its heading. */
static void print_below(const struct table *t, size_t row)
{
    _cleanup_free_ char *all = xstrdup("");
    for (size_t i = 0; i < t->columns; i++)
        if (t->below[i] && *cell(t, row, i)) {
            _cleanup_free_ char *before = all;
            all = xasprintf(
                "%s%s%s %s", before, *before ? "  " : "", cell(t, 0, i), cell(t, row, i));
        }
    output_say(BELOW, "%*s%s\n", BELOW, "", all);
}

/* Which columns stand beside each other, and how wide; whether the others stand below. */
static bool lay_out(const struct table *t, size_t width, size_t *widths, bool *shown)
{
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = 0; i < t->columns; i++) {
            size_t w = output_columns(cell(t, r, i));
            if (w > widths[i])
                widths[i] = w;
        }
    for (size_t i = 0; i < t->columns; i++)
        shown[i] = true;
    if (width == 0 || spare_columns(t, widths, shown, width))
        return false;
    bool below = memchr(t->below, true, t->columns);
    for (size_t i = 0; below && i < t->columns; i++)
        shown[i] = !t->below[i];
    if (!below || !spare_columns(t, widths, shown, width))
        fit(widths, shown, t->whole, t->columns, width);
    return below;
}

void table_print(const struct table *t, size_t width)
{
    size_t *widths = xcalloc(t->columns, sizeof *widths), last = 0;
    bool *shown = xcalloc(t->columns, sizeof *shown);
    bool below = lay_out(t, width, widths, shown);

    for (size_t i = 0; i < t->columns; i++)
        last = shown[i] ? i : last;
    for (size_t r = 0; r < t->rows; r++) {
        for (size_t i = 0; i < t->columns; i++)
            if (shown[i])
                print_cell(cell(t, r, i), widths[i], t->right[i], i == last);
        if (below && r > 0)
            print_below(t, r);
    }
    free(shown);
    free(widths);
}

void table_free(struct table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->rows * t->columns; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->right);
    free(t->whole);
    free(t->spare);
    free(t->below);
    free(t);
}

void table_end(struct table *t)
{
    if (t->rows > 1)
        table_print(t, output_width());
    table_free(t);
}
