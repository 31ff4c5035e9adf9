/*
 * elexgate backup-key: the key that seals the backups, and the sheet that brings it back.
 */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/job_stream.h"
#include "cli/output.h"
#include "common/json_get.h"

static void tell_key(struct cli *cli, const json_t *last)
{
    const json_t *former = json_object_get(last, "former"), *key;
    size_t i;
    if (!json_get_str(last, "public")) {
        puts(tr(cli, "There is no key yet; the first backup makes it."));
        return;
    }
    _cleanup_free_ char *public = output_member(last, "public"),
                        *print = output_member(last, "fingerprint");
    printf(tr(cli, "public key   %s\nfingerprint  %s\n"), public, print);
    json_array_foreach (former, i, key)
        printf(tr(cli, "former key   %s\n"), json_string_value(key));
}

/* To be printed and put into the safe. */
static void tell_sheet(struct cli *cli, const json_t *last)
{
    _cleanup_free_ char *host = output_member(last, "host"),
                        *folder = output_member(last, "folder"),
                        *secret = output_member(last, "secret");
    printf(
        tr(cli, "Elexgate: recovery sheet of the backups of %s (%s)\n\n"
                "Print this, put it into the safe, and delete the file. Whoever has it can make\n"
                "backups that this practice takes for its own.\n\n"),
        host, folder);
    tell_key(cli, last);
    printf(tr(cli, "secret key   %s\n\n"), secret);
    puts(tr(cli,
        "On a machine that was built anew: install Elexgate, set [archive] folder, connect the\n"
        "backup medium, write the secret key into a file, then\n\n"
        "    elexgate backup-key import FILE\n"
        "    elexgate backups\n"
        "    elexgate restore latest\n\n"
        "Without the secret key: [archive] trust = PUBLIC KEY, and the same restore.\n"
        "Without this sheet: elexgate restore RUN --foreign, if you know where the backup has lain.\n"
        "Encrypted backups also need the secret age key ([archive] identity_file)."));
}

static void tell(struct cli *cli, const json_t *last, const char *what)
{
    if (strcmp(what, "sheet") == 0) {
        tell_sheet(cli, last);
        return;
    }
    tell_key(cli, last);
    if (strcmp(what, "import") == 0)
        printf(tr(cli, "%lld backups that it has sealed are ours again.\n"),
            json_get_int(last, "listed"));
    if (strcmp(what, "rotate") == 0)
        puts(tr(cli,
            "From now on this key seals; what the former ones sealed stays ours. Print the sheet\n"
            "anew: elexgate backup-key sheet"));
}

static int run_backup_key(struct cli *cli, int argc, char **argv)
{
    static const char *const known[] = {"show", "sheet", "rotate", "import"};
    const char *words[2] = {argc > 1 ? argv[1] : NULL}, *what = words[0] ? words[0] : "show";
    bool import = strcmp(what, "import") == 0, found = false;
    _cleanup_json_ json_t *answer = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        found |= strcmp(known[i], what) == 0;
    if (!found)
        return cli_usage(cli, "show, sheet, rotate or import FILE, not \"%s\"", what);
    int code = args_parse(cli, argc, argv, NULL, import ? 2 : 0, import ? 2 : 1, words);
    if (code != EXIT_GOOD)
        return code;
    code = job_stream_answer(
        cli, (const char *const[]){"key", what, import ? words[1] : NULL, NULL}, &answer);
    if (answer)
        tell(cli, answer, what);
    return code;
}

const struct command cmd_backup_key = {
    "backup-key",
    "[show | sheet | rotate | import FILE]",
    N_("show, print, exchange or import the key that seals the backups"),
    run_backup_key,
    (const struct help_line[]){
        {"show",
            N_("show the public key and its fingerprint; for [archive] trust of another machine")},
        {"sheet", N_("print the recovery sheet, with the secret key: put it into the safe")},
        {"rotate", N_("make a new key from now on; what the former ones sealed stays ours")},
        {"import FILE",
            N_("take the secret key of the sheet, on a machine that was built anew: its backups are ours again (/dev/stdin reads it from a pipe)")},
        {NULL, N_("Every backup is sealed with this key.")},
        {NULL,
            N_("What is not is never restored, drilled or removed by itself: whoever can write to the backup medium could have put it there.")},
        {0},
    },
};
