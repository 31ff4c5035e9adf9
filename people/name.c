#include "people/name.h"

#include <string.h>
#include "common/utf8.h"

bool account_name_good(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > ACCOUNT_NAME_MAX || utf8_check(name, n) != n)
        return false;
    for (; *name; name++)
        if (!strchr("._-@", *name) && (unsigned char)*name < 0x80 &&
            !((*name >= '0' && *name <= '9') || ((*name | 0x20) >= 'a' && (*name | 0x20) <= 'z')))
            return false;
    return true;
}
