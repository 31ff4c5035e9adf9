#include "common/said.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/phrase.h"
#include "common/utf8.h"

/* names: the server's text for it has only names of tables, accounts, files or settings, figures,
 * and the operating system's words, in every language of the server. */
struct number {
    unsigned number;
    bool names;
    const char *words;
};

/* Sorted. The server's numbers are in its share/errmsg-utf8.txt. */
static const struct number numbers[] = {
    {1005, false, N_("a table cannot be made")},
    {1006, true, N_("a database cannot be made")},
    {1007, true, N_("the database exists already")},
    {1008, true, N_("there is no such database")},
    {1016, true, N_("a file cannot be opened")},
    {1017, true, N_("a file is missing")},
    {1021, true, N_("the disk is full")},
    {1023, true, N_("a file cannot be closed")},
    {1024, true, N_("a file cannot be read")},
    {1026, true, N_("a file cannot be written")},
    {1030, true, N_("the storage engine failed")},
    {1033, true, N_("a table's definition is damaged")},
    {1034, true, N_("a table's index is damaged")},
    {1035, true, N_("a table's index is of an old form")},
    {1036, true, N_("a table is read only")},
    {1040, true, N_("there are too many connections")},
    {1044, true, N_("the account may not use this database")},
    {1045, true, N_("the login was refused")},
    {1046, true, N_("no database is chosen")},
    {1048, false, N_("a value is missing where there must be one")},
    {1049, true, N_("there is no such database")},
    {1050, false, N_("a table exists already")},
    {1051, false, N_("there is no such table")},
    {1053, true, N_("the server is being stopped")},
    {1054, false, N_("there is no such column")},
    {1062, false, N_("a value occurs twice where it may occur once")},
    {1064, false, N_("the server does not understand a statement (syntax error)")},
    {1067, false, N_("a default does not fit its column")},
    {1071, false, N_("a key is too long")},
    {1072, false, N_("a key names a column that is not there")},
    {1075, false, N_("a table has a counter without a key")},
    {1089, false, N_("a key's length does not fit its column")},
    {1100, false, N_("a table is not locked")},
    {1101, false, N_("a column may have no default")},
    {1114, true, N_("a table is full")},
    {1115, false, N_("the server lacks a character set")},
    {1118, false, N_("a table's rows are too long")},
    {1129, true, N_("the server has locked this host out")},
    {1130, true, N_("the server admits nobody from this host")},
    {1136, false, N_("a row has too many or too few values")},
    {1142, true, N_("the account lacks a right on a table")},
    {1146, true, N_("there is no such table")},
    {1153, false, N_("a row is larger than the server takes (max_allowed_packet)")},
    {1159, true, N_("the network was too slow")},
    {1193, true, N_("the server does not know a setting")},
    {1194, true, N_("a table is damaged")},
    {1195, true, N_("a table is damaged")},
    {1203, true, N_("the account has too many connections")},
    {1205, true, N_("a lock was not released in time")},
    {1213, true, N_("two transactions blocked each other")},
    {1215, false, N_("a foreign key cannot be made")},
    {1216, false, N_("a foreign key has no row that it leads to")},
    {1217, false, N_("a foreign key still leads to a row")},
    {1223, true, N_("the tables are locked for reading")},
    {1226, true, N_("the account has used up its limit")},
    {1227, true, N_("the account lacks a right")},
    {1231, false, N_("a setting does not take a value")},
    {1232, false, N_("a setting is of another kind")},
    {1235, false, N_("the server does not support a statement")},
    {1238, true, N_("a setting is read only")},
    {1264, false, N_("a number is out of its column's range")},
    {1265, false, N_("a value does not fit its column")},
    {1273, false, N_("the server lacks a collation")},
    {1286, false, N_("the server lacks a storage engine")},
    {1290, true, N_("the server's options forbid a statement")},
    {1292, false, N_("a value is of another kind than its column")},
    {1298, false, N_("the server does not know a time zone")},
    {1300, false, N_("a text has bytes that its character set lacks")},
    {1304, false, N_("a routine exists already")},
    {1305, false, N_("there is no such routine")},
    {1317, true, N_("the statement was interrupted")},
    {1347, false, N_("something is not what the statement takes it for")},
    {1356, true, N_("a view leads to something that is not there")},
    {1359, false, N_("a trigger exists already")},
    {1364, false, N_("a column without a default gets no value")},
    {1366, false, N_("a value does not fit its column's kind or character set")},
    {1370, false, N_("the account lacks a right on a routine")},
    {1406, false, N_("a value is too long for its column")},
    {1411, false, N_("a value is of another kind")},
    {1412, true, N_("a table was changed meanwhile")},
    {1418, false, N_("a function is not declared as the binary log needs it")},
    {1419, false, N_("a trigger needs the right SUPER")},
    {1449, true, N_("the account that a view or routine runs as is not there")},
    {1451, false, N_("a foreign key still leads to a row")},
    {1452, false, N_("a foreign key has no row that it leads to")},
    {1526, false, N_("a table has no partition for a value")},
    {1586, false, N_("a value occurs twice where it may occur once")},
    {1644, false, N_("a trigger or routine of the database refused (SIGNAL)")},
    {1690, false, N_("a calculation leaves its range")},
    {1698, true, N_("the login was refused")},
    {1701, false, N_("a foreign key leads to the table")},
    {1712, true, N_("an index is damaged")},
    {1785, false, N_("tables of several kinds in one transaction")},
    {1792, true, N_("nothing may be written here")},
    {1812, true, N_("a table's file is missing")},
    {1813, true, N_("a table's file is there already")},
    {1814, true, N_("a table's file was taken away")},
    {1820, true, N_("the account's password must be changed")},
    {1862, true, N_("the account's password has expired")},
    {1872, true, N_("a damaged table's repair failed")},
    {1877, true, N_("a table is damaged")},
    {1901, false, N_("a calculated column is not allowed")},
    {1927, true, N_("the connection was ended")},
    {1932, true, N_("a table is known but its engine has lost it")},
    {1969, true, N_("the statement took longer than allowed")},
    {2002, true, N_("the server cannot be reached")},
    {2003, true, N_("the server cannot be reached")},
    {2005, true, N_("the server's name is not known")},
    {2006, true, N_("the server ended the connection")},
    {2008, true, N_("there is not enough memory")},
    {2012, true, N_("the connection was cut at its start")},
    {2013, true, N_("the connection to the server was lost")},
    {2020, true, N_("a row is larger than allowed (max_allowed_packet)")},
    {2026, true, N_("TLS with the server failed")},
    {2027, true, N_("the server's answer makes no sense")},
    {2059, true, N_("a login plugin is missing")},
    {3159, false,
        N_("the server takes connections with TLS only (require_secure_transport), and those to the database have none: use its unix socket, or a network of their own without that setting")},
    {4025, false, N_("a value breaks a rule of its table (CHECK)")},
    {4078, false, N_("a value cannot be converted")},
    {4151, true, N_("the account is locked")},
    {4161, false, N_("the server does not know a data type")},
    {4166, false, N_("it wants a file of the machine that reads it in")},
};

/* CHECK TABLE: what a text begins with that goes on with names and figures only. Not among them:
 * "Found a misplaced row", which has the row. */
static const char *const check_lines[] = {"Corrupt", "Table is marked as crashed",
    "Table upgrade required", "Table rebuild required", "Upgrade required", "Size of datafile is",
    "Size of indexfile is", "Found key at page", "Found wrong record", "Can't read key",
    "Can't read indexpage", "Key in wrong position", "Record-count is not ok", "Delete-link",
    "Keypointers and record positions", "Checksum for key", "record delete-link-chain corrupted",
    "Got error ", "Read error", "Tablespace is missing", "Tablespace has been discarded",
    "Incorrect file format", "Incorrect information in file", "Incorrect key file",
    "Index file is crashed", "Unknown storage engine", "InnoDB: The B-tree of index",
    "InnoDB: Index ", "InnoDB: Clustered index", "Partition ", "Table `", "Table '", NULL};

/* The programs' own complaints, about their options and their files. */
static const char *const program_lines[] = {"unknown option", "unknown variable",
    "ambiguous option", "Can't create/write to file", "Couldn't find table",
    "FATAL ERROR: Could not find", "Got errno", "Got error 28", NULL};

/* The server's log, at its start: files, figures, settings. Not among them: whatever prints a
 * record ("Record in index", "tuple", "Trying to"). */
static const char *const log_lines[] = {"Aborting", "Can't open and lock privilege tables",
    "Can't open the mysql.plugin table", "Can't start server", "Can't init tc log",
    "Do you already have another", "Failed to initialize plugins", "Plugin 'InnoDB'",
    "Plugin 'Aria'", "Unknown/unsupported storage engine", "mariadbd: unknown", "mariadbd: Can't",
    "mariadbd: Got error", "mysqld: unknown", "mysqld: Can't", "mysqld: Got error",
    "unknown option", "unknown variable", "Error while setting value",
    "InnoDB: Corrupted page identifier", "InnoDB: Corruption of an index tree",
    "InnoDB: Database page corruption", "InnoDB: Plugin initialization", "InnoDB: The log file",
    "InnoDB: Log file", "InnoDB: Missing FILE_", "InnoDB: Missing MLOG", "InnoDB: Invalid log",
    "InnoDB: Invalid flags", "InnoDB: Unable to lock", "InnoDB: Unable to open",
    "InnoDB: Unable to read page", "InnoDB: Cannot open", "InnoDB: Cannot create",
    "InnoDB: Cannot find", "InnoDB: Operating system error", "InnoDB: The error means",
    "InnoDB: File ", "InnoDB: Tablespace ", "InnoDB: The data file", "InnoDB: Data file",
    "InnoDB: The innodb_system data file", "InnoDB: Unsupported redo log",
    "InnoDB: Upgrade after a crash", "InnoDB: Only one log file", "InnoDB: Failed to read page",
    "InnoDB: Expected tablespace", "InnoDB: Datafile ", "InnoDB: Header page",
    "InnoDB: Failing assertion", "InnoDB: Assertion failure", "InnoDB: Out of space",
    "InnoDB: Obtaining redo log", "InnoDB: innodb_page_size", NULL};

static const struct number *find(unsigned number)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].number == number)
            return &numbers[i];
    return NULL;
}

const char *said_words(unsigned number)
{
    const struct number *n = find(number);
    return n ? n->words : NULL;
}

#define SAID_MAX 320 /* of a line that is not ours */

static const char *ours(struct err *said, const char *words)
{
    (void)err_set(said, EIO, "%s", words);
    return err_words(said);
}

const char *said_of_ours(unsigned number, const char *text, struct err *said)
{
    const struct number *n = find(number);
    const char *words = !n ? N_("the server refuses") : n->names ? text : n->words;
    (void)err_set(said, EIO, "%s (error %u)", UTF8_SHORT(words, SAID_MAX), number);
    return err_words(said);
}

static bool state_valid(const char *s)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return s && strlen(s) == 5 && strspn(s, letters) == 5;
}

const char *said_of_theirs(unsigned number, const char *state, struct err *said)
{
    const char *words = said_words(number);
    words = words ? words : N_("the server refuses a statement");
    if (state_valid(state))
        (void)err_set(said, EIO, "%s (error %u, %s)", words, number, state);
    else
        (void)err_set(said, EIO, "%s (error %u)", words, number);
    return err_words(said);
}

static bool begins(const char *text, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strncmp(text, list[i], strlen(list[i])) == 0)
            return true;
    return false;
}

/* The line, up to its end. */
static const char *one_line(const char *line, struct err *said)
{
    char copy[SAID_MAX];
    size_t n = strcspn(line, "\r\n");
    snprintf(copy, sizeof copy, "%.*s", (int)utf8_cut(line, n, SAID_MAX - 1), line);
    return ours(said, copy);
}

const char *said_of_check(const char *text, struct err *said)
{
    return begins(text, check_lines) ? one_line(text, said)
                                     : ours(said, N_("CHECK TABLE finds it damaged"));
}

/* "mariadb-dump: " and the like at the begin of a line. */
static const char *after_name(const char *line)
{
    size_t n = strspn(line, "abcdefghijklmnopqrstuvwxyz-_./0123456789");
    return n > 0 && line[n] == ':' && line[n + 1] == ' ' ? line + n + 2 : line;
}

struct found {
    unsigned number;
    unsigned long line, row;
    char state[6];
};

/* "Couldn't execute 'SHOW ...': words (1146)": the number ends the line. */
static unsigned number_at_end(const char *line, size_t n)
{
    size_t i = n;
    if (i == 0 || line[i - 1] != ')')
        return 0;
    for (i--; i > 0 && line[i - 1] >= '0' && line[i - 1] <= '9';)
        i--;
    return i > 0 && line[i - 1] == '(' ? (unsigned)strtoul(line + i, NULL, 10) : 0;
}

/* What mariadb and mariadb-dump write: figures alone are taken out of it. */
static bool find_number(const char *line, struct found *f)
{
    size_t n = strcspn(line, "\r\n");
    *f = (struct found){0};
    if (sscanf(line, "ERROR at line %lu:", &f->line) == 1)
        return true;
    if (sscanf(line, "ERROR %u (%5[0-9A-Z]) at line %lu:", &f->number, f->state, &f->line) >= 1 ||
        sscanf(line, "Got error: %u:", &f->number) == 1)
        return true;
    if (sscanf(line, "Error %u:", &f->number) == 1) {
        for (const char *p = line; (p = strstr(p, " at row: ")) && p < line + n; p++)
            f->row = strtoul(p + 9, NULL, 10);
        return true;
    }
    f->number = strncmp(line, "Couldn't execute", 16) == 0 ? number_at_end(line, n) : 0;
    return f->number != 0;
}

static const char *show(const struct found *f, struct err *said)
{
    struct err words = {0};
    if (f->number == 0)
        ours(&words, N_("the client refuses a statement"));
    else
        said_of_theirs(f->number, f->state, &words);
    if (f->line)
        (void)err_set(said, EIO, "%s at line %lu", err_words(&words), f->line);
    else if (f->row)
        (void)err_set(said, EIO, "%s at row %lu", err_words(&words), f->row);
    else
        *said = words;
    return err_words(said);
}

const char *said_of_program(const char *text, struct err *said)
{
    const char *last = NULL;
    struct found f, best;
    bool numbered = false;
    for (const char *line = text; *line;) {
        const char *rest = after_name(line);
        if (find_number(rest, &f)) {
            best = f;
            numbered = true;
        } else if (begins(rest, program_lines)) {
            last = rest;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    if (numbered)
        return show(&best, said);
    if (last)
        return one_line(last, said);
    return ours(said, *text ? N_("what it said is not repeated here") : N_("it said nothing"));
}

const char *said_of_log(const char *text, struct err *said)
{
    const char *at = text;
    while ((at = strstr(at, "[ERROR] "))) {
        at += 8;
        if (begins(at, log_lines))
            return one_line(at, said);
    }
    return ours(said, strstr(text, "[ERROR]") ? N_("what its log says is not repeated here")
                                              : N_("its log names no error"));
}
