#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/call_filter.h"
#include "common/reckoner.h"

/* What unpacks may ask for memory by a few bytes. */
#define MEMORY (4ull << 30)

static int give_up_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    return (int)syscall(SYS_capset, &head, none);
}

int reckoner_shut(bool threads)
{
    static const struct rlimit nothing = {0, 0};
    (void)close(2);    /* a terminal, perhaps, which takes more than text */
#if !ADDRESS_SANITIZED /* which maps far more than it uses */
    static const struct rlimit memory = {MEMORY, MEMORY};
    if (setrlimit(RLIMIT_AS, &memory) < 0)
        return -1;
#endif
    if (setrlimit(RLIMIT_CORE, &nothing) < 0 || give_up_capabilities() < 0)
        return -1;
    return call_filter_only_reckon(threads);
}
