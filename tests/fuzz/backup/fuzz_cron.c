/*
 * Any text: accepted or refused with words. What is accepted has a next run, in a zone with
 * daylight saving too, later than asked; that run is on a minute of the schedule or at a change of
 * the clock; and it can be put into words.
 */
#include <stdint.h>
#include <string.h>

#include "backup/rules/cron.h"
#include "common/phrase.h"

#define SPRING INT64_C(1806195600) /* 2027-03-28 01:00 UTC */
#define AUTUMN INT64_C(1824944400) /* 2027-10-31 01:00 UTC */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t zurich_2027(const void *ctx, int64_t t)
{
    (void)ctx;
    return t >= SPRING && t < AUTUMN ? 7200 : 3600;
}

static void check_runs(const struct cron *c, int64_t from)
{
    static const struct cron_zone zone = {zurich_2027, NULL};
    int64_t at = from;
    for (int i = 0; i < 3; i++) {
        int64_t next = 0;
        CHECK(cron_next(c, &zone, at, &next) == 0);
        CHECK(next > at);
        int64_t local = next + zurich_2027(NULL, next);
        bool fits = c->minutes >> (local / 60 % 60) & 1 && c->hours >> (local / 3600 % 24) & 1;
        CHECK(next % 60 == 0 && (fits || next == SPRING));
        /* Asked a second before, it is the same run. */
        int64_t again = 0;
        CHECK(cron_next(c, &zone, next - 1, &again) == 0 && again == next);
        at = next;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[301];
    struct cron c;
    struct err e = {0};
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (cron_parse(text, &c, &e) != 0) {
        CHECK(e.code && strncmp(e.text, "schedule: ", 10) == 0);
        return 0;
    }
    check_runs(&c, SPRING - 2 * 86400 + 17);
    check_runs(&c, AUTUMN - 2 * 86400 + 17);
    json_t *said = cron_phrase(&c);
    for (enum lang lang = LANG_EN; lang < LANG_COUNT; lang++) {
        char *words = phrase_words(lang, said);
        CHECK(*words && !strchr(words, '?') && !strstr(words, "%"));
        free(words);
    }
    json_decref(said);
    return 0;
}
