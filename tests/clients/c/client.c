/*
 * The libmariadb client of the matrix: client SCENARIO... prints one JSON line a scenario. The
 * contract of scenarios and environment stands in ../README.md.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct scenario {
    const char *name;
    void (*run)(MYSQL *my);
    struct how how;
} scenarios[] = {
    {"query", do_query, {0}},
    {"server", do_server, {0}},
    {"prepared", do_prepared, {0}},
    {"transaction", do_transaction, {0}},
    {"blob", do_blob, {0}},
    {"packets", do_packets, {0}},
    {"rows", do_rows, {0}},
    {"sleep", do_sleep, {0}},
    {"cancelled", do_cancelled, {0}},
    {"kill_idle", do_kill_idle, {0}},
    {"umlauts", do_umlauts, {0}},
    {"local_infile", do_infile, {0}},
    {"cursor", do_cursor, {0}},
    {"reset", do_reset, {0}},
    {"session_vars", do_session_vars, {0}},
    {"attributes", do_attributes, {.attribute = "Praxis Zürich"}},
    {"bulk", do_bulk, {0}},
    {"sql_error", do_sql_error, {0}},
    {"compress", do_compress, {.compress = true}},
    {"progress", do_progress, {.progress = true, .flags = CLIENT_PROGRESS}},
};

static void run_sql(const char *sql)
{
    MYSQL *my = connect_how(&(struct how){0});
    if (!my)
        return;
    if (mysql_query(my, sql))
        fail(my);
    else
        put_results(my);
    mysql_close(my);
}

static bool run_named(const char *name)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (strcmp(name, scenarios[i].name) != 0)
            continue;
        MYSQL *my = connect_how(&scenarios[i].how);
        if (my)
            scenarios[i].run(my);
        if (my)
            mysql_close(my);
        return true;
    }
    return false;
}

static void run_login(const char *account, bool change)
{
    char *user = strdup(account), *password = strchr(user, ':');
    if (!password)
        abort();
    *password++ = 0;
    if (change) {
        MYSQL *my = connect_how(&(struct how){0});
        if (my)
            do_change_user(my, user, password);
        if (my)
            mysql_close(my);
    } else {
        do_tls(&(struct how){.user = user, .password = password});
    }
    free(user);
}

static void run(const char *name)
{
    json_len = 0;
    put("{\"scenario\":", 12);
    put_string(name);
    put(",", 1);
    size_t before = json_len;
    if (strcmp(name, "tls") == 0)
        do_tls(&(struct how){0});
    else if (strcmp(name, "wrong_ca") == 0)
        do_tls(&(struct how){.ca = env("ELX_WRONG_CA")});
    else if (strcmp(name, "plaintext") == 0)
        do_tls(&(struct how){.plain = true});
    else if (strcmp(name, "wrong_password") == 0)
        do_tls(&(struct how){.password = "not the password"});
    else if (strcmp(name, "unknown_database") == 0)
        do_tls(&(struct how){.database = "elx_nowhere"});
    else if (strncmp(name, "login:", 6) == 0)
        run_login(name + 6, false);
    else if (strncmp(name, "change_user:", 12) == 0)
        run_login(name + 12, true);
    else if (strcmp(name, "multi") == 0)
        run_sql("SELECT 1; SELECT 2, 'zwei'; SELECT 3");
    else if (strcmp(name, "call") == 0)
        run_sql("CALL two_results()");
    else if (!run_named(name))
        put("\"unsupported\":true", 18);
    if (json_len == before)
        put("\"empty\":true", 12);
    put("}", 1);
    puts(json);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    mysql_library_init(0, NULL, NULL);
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    mysql_library_end();
    free(json);
    return 0;
}
