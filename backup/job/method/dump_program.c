#include "backup/job/method/dump_program.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "common/process.h"

#define ANSWER_MS 20000
#define OURS      "mariadb-dump" /* the default */
#define THEIRS    "mysqldump"    /* in Debian's MariaDB a link to the one above */

static bool is_mysqls(const char *program)
{
    const char *argv[] = {program, "--no-defaults", "--version", NULL};
    char text[512] = "";
    _cleanup_fd_ int out = memfd_create("version", MFD_CLOEXEC);
    struct process_options o = {.argv = argv, .out = out, .err = out};
    return out >= 0 && process_run(&o, ANSWER_MS, NULL, NULL, NULL) == 0 &&
           pread(out, text, sizeof text - 1, 0) > 0 && strstr(text, "Ver ") &&
           !strstr(text, "MariaDB");
}

int dump_program_find(const struct config *c, struct server *s, const char *database,
    struct dump_program *out, struct err *e)
{
    const char *given = config_str(c, "backup", NULL, "dump_program");
    if (!server_is_mysql(s)) {
        *out = (struct dump_program){.name = xstrdup(given)};
        return 0;
    }
    const char *program = strcmp(given, OURS) == 0 ? THEIRS : given;
    if (is_mysqls(program)) {
        *out = (struct dump_program){.name = xstrdup(program), .mysql = true};
        return 0;
    }
    _cleanup_free_ char *name = server_quote_text(s, database), *table = NULL;
    int r = server_text(s, &table, e,
        "SELECT CONCAT(TABLE_NAME, '.', COLUMN_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA=%s AND EXTRA IN ('VIRTUAL GENERATED', 'STORED GENERATED') ORDER BY 1 LIMIT 1",
        name);
    if (r < 0)
        return r;
    if (table)
        return err_set(e, ENOTSUP,
            "%s is a generated column, for which %s writes values that MySQL %s does not take back: install MySQL's own mysqldump (mysql-client), or name it in [backup] dump_program",
            table, given, server_version(s));
    *out = (struct dump_program){.name = xstrdup(given)};
    return 0;
}
