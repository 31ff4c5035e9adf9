/*
 * Which workstation was writing when: intervals of seconds in which a session had a statement under
 * way that may write. The binary log of a server says when a transaction was begun and rarely who
 * did it (its row events name no connection); this is the other half. Kept over restarts in
 * state_dir/writers.log, one line an interval, at most WRITERS_MAX bytes and as many again of what
 * came before: the oldest go first. Nothing of a person beyond the address is in it, and nothing of
 * what was written. Times are those of this machine's clock.
 */
#ifndef ELEXGATE_PROXY_WRITERS_H
#define ELEXGATE_PROXY_WRITERS_H

#include <jansson.h>
#include "common/error.h"
#include "proxy/wire/cidr.h"

#define WRITERS_MAX (4u << 20)

/* As one session knows it; zero-initialise. */
struct writer {
    int64_t began;    /* of what is under way, seconds since 1970; 0 = nothing is */
    int64_t seen;     /* when it was last looked at */
    int64_t noted[2]; /* the interval that was noted last: not twice in a second */
};

/* After each thing that happens in a session. wrote: something that may write began, ended or is
 * under way; now: it still is. Its worker's thread. */
void writer_look(
    struct writer *w, bool wrote, bool now, const struct address *from, uint32_t thread_id);

/* Once, at the start. */
void writers_open(const char *state_dir);
/* What has been noted goes to the file. own: no successor of this process has it, so that it may be
 * cut. Main thread, which it keeps for a write of some kilobytes. */
void writers_save(bool own);
/* {"ok":true,"writers":[[FROM,TO,THREAD,"ADDRESS"],..],"more":BOOL}: what overlaps these seconds,
 * in about the order in which it ended; more: there are others, ask again from the last one's TO.
 */
json_t *writers_json(int64_t from, int64_t to) MUSTCHECK;

#endif
