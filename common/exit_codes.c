#include "common/exit_codes.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    const char *name;
    int code;
} table[] = {
    [EXIT_GOOD] = {"good", 0},
    [EXIT_FAILED] = {"failed", EIO},
    [EXIT_USAGE] = {"failed", EINVAL},
    [EXIT_UNREACHABLE] = {"failed", ECONNREFUSED},
    [EXIT_NOT_IDLE] = {"not-idle", EIO},
    [EXIT_NO_SPACE] = {"no-space", ENOSPC},
    [EXIT_INCONSISTENT] = {"inconsistent", EBADMSG},
    [EXIT_BUSY] = {"busy", EBUSY},
    [EXIT_VETOED] = {"vetoed", EPERM},
    [EXIT_REFUSED] = {"refused", EPERM},
    [EXIT_CANCELLED] = {"cancelled", ECANCELED},
    [EXIT_INCOMPLETE] = {"incomplete", EIO},
};

static size_t row(int exit_code)
{
    size_t n = sizeof table / sizeof table[0];
    return exit_code >= 0 && (size_t)exit_code < n ? (size_t)exit_code : EXIT_FAILED;
}

const char *exit_code_name(int exit_code)
{
    return table[row(exit_code)].name;
}

int exit_code_errno(int exit_code)
{
    return table[row(exit_code)].code;
}

int exit_code_of(int result)
{
    switch (result) {
    case -ENOSPC:
    case -EDQUOT:
        return EXIT_NO_SPACE;
    case -ECANCELED:
        return EXIT_CANCELLED;
    default:
        return result < 0 ? EXIT_FAILED : result;
    }
}

int exit_code_of_call(int result)
{
    switch (result) {
    case -EPIPE:
    case -ETIMEDOUT:
        return EXIT_UNREACHABLE;
    case -EBUSY:
        return EXIT_BUSY;
    case -EBADMSG:
        return EXIT_INCONSISTENT;
    default:
        return exit_code_of(result);
    }
}
