#include "common/suggestion.h"

#include <ctype.h>
#include <string.h>

#define LENGTH_MAX 40

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits from a to b, without regard to case in a: insert, delete, replace, or swap two neighbours
 * ("optimal string alignment"). d[i][j] is the distance of the first i and j characters; three rows
 * are enough. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][LENGTH_MAX + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            char c = (char)tolower((unsigned char)a[i - 1]);
            row[j] = min(above[j] + 1, row[j - 1] + 1);
            row[j] = min(row[j], above[j - 1] + (c != b[j - 1]));
            if (i > 1 && j > 1 && c == b[j - 2] && tolower((unsigned char)a[i - 2]) == b[j - 1])
                row[j] = min(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void suggestion_offer(struct suggestion *s, const char *candidate)
{
    size_t m = strlen(candidate);

    if (m > LENGTH_MAX || strlen(s->wanted) > LENGTH_MAX)
        return;
    size_t d = distance(s->wanted, candidate);
    size_t allowed = m <= 4 ? 1 : m <= 8 ? 2 : 3;
    if (d <= allowed && (!s->best || d < s->distance)) {
        s->best = candidate;
        s->distance = d;
    }
}
