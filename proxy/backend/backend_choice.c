#include "proxy/backend/backend_choice.h"

int backend_choose(const struct backend_health *list, size_t n, int active, int preferred)
{
    if (active < 0) {
        for (size_t i = 0; i < n; i++)
            if (!list[i].known)
                return -1;
        if (preferred >= 0 && list[preferred].usable)
            return preferred;
    } else if (list[active].usable)
        return active;
    for (size_t i = 0; i < n; i++)
        if (list[i].writable)
            return (int)i;
    for (size_t i = 0; i < n; i++)
        if (list[i].usable)
            return (int)i;
    return active;
}
