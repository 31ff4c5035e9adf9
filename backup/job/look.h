/*
 * What the keeper looks at all the time and may not see itself: whether anybody works (proxy and
 * server), how the certificate is, how much room there is, whether anybody could be told. It goes
 * on as long as the keeper asks: a line on standard input, a line {"event":"look",...} for it.
 */
#ifndef ELEXGATE_BACKUP_JOB_LOOK_H
#define ELEXGATE_BACKUP_JOB_LOOK_H

#include "common/config.h"

/* Until standard input ends, or SIGTERM. An exit code. */
int look_run(const struct config *c);

#endif
