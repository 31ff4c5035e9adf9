#include "backup/job/restore/throwaway_of.h"

#include <errno.h>
#include "backup/job/trial/server_program.h"
#include "common/exit_codes.h"

#define ARGS_MAX 40

int throwaway_of_copy(struct run *run, const struct layout *l, const char *fresh,
    const char *scratch, const char *database, struct throwaway **out, struct err *e)
{
    /* Rows that went out with one packet size must come in with it; rows that were taken under a
     * mild setting of the server must not be refused by a stern one; and a routine that is made
     * anew keeps the rights that were given for it. */
    static const char *const ours[] = {"--max-allowed-packet=1G", "--innodb-strict-mode=OFF",
        "--automatic-sp-privileges=OFF", NULL};
    const char *args[ARGS_MAX + 1] = {NULL};
    size_t n = 0;
    const char *const *given = config_list(run->s.config, "drill", NULL, "server_args");
    for (size_t i = 0; given[i] && n < ARGS_MAX - 4; i++)
        args[n++] = given[i];
    for (size_t i = 0; ours[i]; i++)
        args[n++] = ours[i];
    struct throwaway_options o = {
        .config = run->s.config,
        .program = config_str(run->s.config, "drill", NULL, "server_program"),
        .args = args,
        .datadir = fresh,
        .scratch = scratch,
        .page_size = l->page_size,
        .lower_case_table_names = l->lower_case_table_names,
        .database = database,
        .settings = l->settings,
        .go_on = run_go_on,
        .ctx = run,
    };
    struct throwaway *t = NULL;
    int code = throwaway_start(&o, &t, e);
    if (code == 0) {
        code = server_program_fits(l->version, throwaway_server(t), e);
        if (code == 0)
            *out = t;
        else
            throwaway_drop(t);
        return code;
    }
    return code == 1 ? run_pack_result(PACK_STOPPED, e) : code == -EIO ? EXIT_INCONSISTENT : code;
}
