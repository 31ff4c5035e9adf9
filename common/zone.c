#include "common/lang.h"
#include "common/zone.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/suggestion.h"
#include "common/utf8.h"

#define DEFAULT_FOLDER "/usr/share/zoneinfo"
#define NAME_MAX_LEN   64

static const char *folder(void)
{
    const char *dir = getenv("TZDIR");
    return dir && *dir ? dir : DEFAULT_FOLDER;
}

/* TZif, as every compiled zone begins; a folder such as "Europe" is none. */
static bool is_zone_file(const char *path)
{
    char magic[4];
    struct stat st;
    FILE *f = stat(path, &st) == 0 && S_ISREG(st.st_mode) ? fopen(path, "re") : NULL;
    bool good = f && fread(magic, 1, 4, f) == 4 && memcmp(magic, "TZif", 4) == 0;
    if (f)
        fclose(f);
    return good;
}

/* "CET-1CEST", "<+01>-1": a name of three letters or more, then an offset. What follows is for the
 * C library; a name alone, such as "Zurich", is no rule. */
static bool is_rule(const char *s)
{
    const char *p = s;
    if (*p == '<') {
        p += strcspn(p, ">");
        p += *p == '>';
    } else {
        while (isalpha((unsigned char)*p))
            p++;
    }
    if (p - s < 3)
        return false;
    p += *p == '+' || *p == '-';
    return isdigit((unsigned char)*p);
}

static void lower(char *to, size_t size, const char *from)
{
    size_t i = 0;
    for (; from[i] && i < size - 1; i++)
        to[i] = (char)tolower((unsigned char)from[i]);
    to[i] = '\0';
}

/* zone1970.tab: country codes, coordinates, the zone's name. */
static bool nearest(const char *wanted, char out[static NAME_MAX_LEN])
{
    _cleanup_free_ char *path = xasprintf("%s/zone1970.tab", folder());
    FILE *f = fopen(path, "re");
    char line[512], name[NAME_MAX_LEN], small[NAME_MAX_LEN];
    struct suggestion s = {.wanted = wanted};
    bool found = false;
    while (f && fgets(line, sizeof line, f)) {
        if (*line == '#' || sscanf(line, "%*s %*s %63s", name) != 1)
            continue;
        const char *before = s.best;
        size_t distance = s.distance;
        lower(small, sizeof small, name);
        suggestion_offer(&s, small);
        if (!s.best || (before && s.distance == distance))
            continue;
        snprintf(out, NAME_MAX_LEN, "%s", name);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

int zone_check(const char *name, struct err *e)
{
    const char *s = *name == ':' ? name + 1 : name;
    char meant[NAME_MAX_LEN];
    _cleanup_free_ char *path = *s == '/' ? xstrdup(s) : xasprintf("%s/%s", folder(), s);
    if (!*s || is_zone_file(path) || is_rule(s))
        return 0;
    bool hint = nearest(s, meant);
    return err_set(e, EINVAL,
        "TZ: there is no time zone \"%s\"%s%s%s (or the package tzdata is missing)",
        UTF8_SHORT(s, 60), hint ? N_("; did you mean ") : "", hint ? meant : "", hint ? "?" : "");
}
