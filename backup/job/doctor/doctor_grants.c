#include "backup/job/doctor/doctor_grants.h"

#include <string.h>

const char *const doctor_grants[] = {"SELECT", "RELOAD", "SHUTDOWN", "PROCESS", "SUPER",
    "LOCK TABLES", "SHOW VIEW", "EVENT", "TRIGGER", "CONNECTION ADMIN", NULL};

char *doctor_grants_list(void)
{
    char *list = xstrdup("");
    for (size_t i = 0; doctor_grants[i]; i++) {
        char *longer = xasprintf("%s%s%s", list, i ? ", " : "", doctor_grants[i]);
        free(list);
        list = longer;
    }
    return list;
}

const char *doctor_grants_host(const struct backup_settings *s)
{
    bool local = s->target.socket || strcmp(s->target.host, "127.0.0.1") == 0 ||
                 strcmp(s->target.host, "localhost") == 0;
    return local ? "localhost" : "%";
}
