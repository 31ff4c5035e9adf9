#include "common/systemd.h"

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

void systemd_tell(const char *state)
{
#ifdef HAVE_SYSTEMD
    (void)sd_notify(0, state);
#else
    (void)state;
#endif
}

uint64_t systemd_watchdog_ms(void)
{
    uint64_t usec = 0;
#ifdef HAVE_SYSTEMD
    if (sd_watchdog_enabled(0, &usec) <= 0)
        usec = 0;
#endif
    return usec / 1000;
}
