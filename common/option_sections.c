/*
 * What each section of the configuration is about, for the sample file and the manual. A test
 * compares it with the table of options.
 */
#include <string.h>

#include "common/config.h"

static const struct {
    const char *section, *help, *example;
} sections[] = {
    {"log", "The operating log of all programs.", NULL},
    {"database", "Where the MariaDB server is that holds the Elexis database.", NULL},
    {"backend",
        "One section for each server where there are several, a primary with replicas or a Galera cluster: clients get the first that may be written to (docs/scaling.md). Keeper and jobs use [database] all the same.",
        "db1"},
    {"proxy", "The gate: limits, times, control socket.", NULL},
    {"listen",
        "One section for each listener. Without any there is one, elexis, with the defaults below.",
        "elexis"},
    {"proof", "elexgate-proof, which serves zero_config_proof; docs/clients.md.", NULL},
    {"tls", "The certificate that clients see; elexgate cert makes and installs it.", NULL},
    {"admin",
        "The keeper's own account on the MariaDB server; elexgate doctor prints the GRANT statement.",
        NULL},
    {"backup", "When the Elexis database is backed up, and how.", NULL},
    {"data",
        "One section for each further folder that is archived in the same run: documents, images, settings.",
        "documents"},
    {"archive", "Where archives go and how they are packed.", NULL},
    {"binlog", "The server's binary log in the archive: any second can be brought back.", NULL},
    {"retention", "How many archives are kept; counted for each data type on its own.", NULL},
    {"hooks", "Programs that are run before and after a backup or a restore.", NULL},
    {"drill", "Trial restores, which prove that an archive can be brought back.", NULL},
    {"notify", "Who is told when something is wrong with backups, drills, certificate or disk.",
        NULL},
    {"audit", "The audit log: who connected, who did what. Never a password or a statement.", NULL},
    {"restore", "Bringing a backup back, while clients wait at the gate.", NULL},
    {"console", "The admin's page, elexgate-console.", NULL},
};

const char *config_section_help(const char *section)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (strcmp(sections[i].section, section) == 0)
            return sections[i].help;
    return NULL;
}

const char *config_section_example(const char *section)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (strcmp(sections[i].section, section) == 0 && sections[i].example)
            return sections[i].example;
    return "NAME";
}
