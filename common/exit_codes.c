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
