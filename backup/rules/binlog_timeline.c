#include "backup/rules/binlog_timeline.h"

#include <stdio.h>
#include <string.h>

static const struct binlog_file *find_file(const struct binlog_question *q, const char *name)
{
    for (size_t i = 0; name && i < q->n; i++)
        if (strcmp(q->files[i].name, name) == 0)
            return &q->files[i];
    return NULL;
}

/* The server's first file behind the one that we have. */
static const struct binlog_file *find_later(const struct binlog_question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        uint64_t number = 0;
        size_t stem = (size_t)(strrchr(q->have->file, '.') - q->have->file);
        if (strncmp(q->files[i].name, q->have->file, stem + 1) == 0 &&
            binlog_name_valid(q->files[i].name, &number) && number > q->have->number)
            return &q->files[i];
    }
    return NULL;
}

static struct binlog_decision answer(
    enum binlog_next next, const struct binlog_file *f, enum binlog_reason reason)
{
    struct binlog_decision d = {.next = next, .reason = reason};
    snprintf(d.file, sizeof d.file, "%s", f->name);
    return d;
}

struct binlog_decision binlog_decide(const struct binlog_question *q)
{
    const struct binlog_file *oldest = &q->files[0], *newest = &q->files[q->n - 1];
    const struct binlog_file *start = find_file(q, q->start);
    if (!q->have || q->restored)
        return answer(
            BINLOG_NEW, start ? start : newest, q->restored ? BINLOG_RESTORED : BINLOG_FIRST);
    const struct binlog_file *same = find_file(q, q->have->file), *later = find_later(q);
    bool ours = same && q->created == q->have->created;
    if (!same && later && later == oldest) { /* the beginning was removed, maybe with ours */
        uint64_t number = 0;
        bool next = binlog_name_valid(later->name, &number) && number == q->have->number + 1;
        if (next && q->have->file_ends)
            return answer(BINLOG_NEXT_FILE, later, BINLOG_GAP);
        return answer(BINLOG_NEW, oldest, BINLOG_GAP);
    }
    if (!ours)
        return answer(BINLOG_NEW, oldest, BINLOG_RESET);
    if (same->size < q->have->to)
        return answer(BINLOG_NEW, same, BINLOG_CHANGED);
    return answer(BINLOG_GO_ON, same, BINLOG_CHANGED);
}
