#include "common/said.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "common/utf8.h"

/* names: the server's text for it has only names of tables, accounts, files or settings, figures,
 * and the operating system's words, in every language of the server. */
struct number {
    unsigned number;
    bool names;
    const char *en, *de;
};

/* Sorted. The server's numbers are in its share/errmsg-utf8.txt. */
static const struct number numbers[] = {
    {1005, false, "a table cannot be made", "eine Tabelle kann nicht angelegt werden"},
    {1006, true, "a database cannot be made", "eine Datenbank kann nicht angelegt werden"},
    {1007, true, "the database exists already", "die Datenbank gibt es schon"},
    {1008, true, "there is no such database", "diese Datenbank gibt es nicht"},
    {1016, true, "a file cannot be opened", "eine Datei lässt sich nicht öffnen"},
    {1017, true, "a file is missing", "eine Datei fehlt"},
    {1021, true, "the disk is full", "die Platte ist voll"},
    {1023, true, "a file cannot be closed", "eine Datei lässt sich nicht schliessen"},
    {1024, true, "a file cannot be read", "eine Datei lässt sich nicht lesen"},
    {1026, true, "a file cannot be written", "eine Datei lässt sich nicht schreiben"},
    {1030, true, "the storage engine failed", "die Storage-Engine ist gescheitert"},
    {1033, true, "a table's definition is damaged", "die Definition einer Tabelle ist beschädigt"},
    {1034, true, "a table's index is damaged", "der Index einer Tabelle ist beschädigt"},
    {1035, true, "a table's index is of an old form", "der Index einer Tabelle ist veraltet"},
    {1036, true, "a table is read only", "eine Tabelle ist nur lesbar"},
    {1040, true, "there are too many connections", "es gibt zu viele Verbindungen"},
    {1044, true, "the account may not use this database", "das Konto darf diese Datenbank nicht"},
    {1045, true, "the login was refused", "die Anmeldung wurde abgelehnt"},
    {1046, true, "no database is chosen", "keine Datenbank ist gewählt"},
    {1048, false, "a value is missing where there must be one", "ein Wert fehlt, der nötig ist"},
    {1049, true, "there is no such database", "diese Datenbank gibt es nicht"},
    {1050, false, "a table exists already", "eine Tabelle gibt es schon"},
    {1051, false, "there is no such table", "eine Tabelle gibt es nicht"},
    {1053, true, "the server is being stopped", "der Server wird gerade beendet"},
    {1054, false, "there is no such column", "eine Spalte gibt es nicht"},
    {1062, false, "a value occurs twice where it may occur once",
        "ein Wert kommt zweimal vor, wo er nur einmal vorkommen darf"},
    {1064, false, "the server does not understand a statement (syntax error)",
        "der Server versteht eine Anweisung nicht (Syntaxfehler)"},
    {1067, false, "a default does not fit its column", "ein Vorgabewert passt nicht zur Spalte"},
    {1071, false, "a key is too long", "ein Schlüssel ist zu lang"},
    {1072, false, "a key names a column that is not there",
        "ein Schlüssel nennt eine Spalte, die fehlt"},
    {1075, false, "a table has a counter without a key",
        "eine Tabelle hat einen Zähler ohne Schlüssel"},
    {1089, false, "a key's length does not fit its column",
        "die Länge eines Schlüssels passt nicht"},
    {1100, false, "a table is not locked", "eine Tabelle ist nicht gesperrt"},
    {1101, false, "a column may have no default", "eine Spalte darf keinen Vorgabewert haben"},
    {1114, true, "a table is full", "eine Tabelle ist voll"},
    {1115, false, "the server lacks a character set", "dem Server fehlt ein Zeichensatz"},
    {1118, false, "a table's rows are too long", "die Zeilen einer Tabelle sind zu lang"},
    {1129, true, "the server has locked this host out",
        "der Server hat diesen Rechner ausgesperrt"},
    {1130, true, "the server admits nobody from this host",
        "der Server lässt diesen Rechner nicht zu"},
    {1136, false, "a row has too many or too few values",
        "eine Zeile hat zu viele oder zu wenige Werte"},
    {1142, true, "the account lacks a right on a table",
        "dem Konto fehlt ein Recht auf eine Tabelle"},
    {1146, true, "there is no such table", "eine Tabelle gibt es nicht"},
    {1153, false, "a row is larger than the server takes (max_allowed_packet)",
        "eine Zeile ist grösser, als der Server annimmt (max_allowed_packet)"},
    {1159, true, "the network was too slow", "das Netz war zu langsam"},
    {1193, true, "the server does not know a setting", "der Server kennt eine Einstellung nicht"},
    {1194, true, "a table is damaged", "eine Tabelle ist beschädigt"},
    {1195, true, "a table is damaged", "eine Tabelle ist beschädigt"},
    {1203, true, "the account has too many connections", "das Konto hat zu viele Verbindungen"},
    {1205, true, "a lock was not released in time", "eine Sperre wurde nicht rechtzeitig frei"},
    {1213, true, "two transactions blocked each other", "zwei Transaktionen blockierten einander"},
    {1215, false, "a foreign key cannot be made", "ein Fremdschlüssel kann nicht angelegt werden"},
    {1216, false, "a foreign key has no row that it leads to",
        "ein Fremdschlüssel führt ins Leere"},
    {1217, false, "a foreign key still leads to a row",
        "ein Fremdschlüssel führt noch auf eine Zeile"},
    {1223, true, "the tables are locked for reading", "die Tabellen sind zum Lesen gesperrt"},
    {1226, true, "the account has used up its limit", "das Konto hat seine Grenze erreicht"},
    {1227, true, "the account lacks a right", "dem Konto fehlt ein Recht"},
    {1231, false, "a setting does not take a value", "eine Einstellung nimmt einen Wert nicht an"},
    {1232, false, "a setting is of another kind", "eine Einstellung ist von anderer Art"},
    {1235, false, "the server does not support a statement",
        "der Server kann eine Anweisung nicht"},
    {1238, true, "a setting is read only", "eine Einstellung ist nur lesbar"},
    {1264, false, "a number is out of its column's range",
        "eine Zahl liegt ausserhalb ihrer Spalte"},
    {1265, false, "a value does not fit its column", "ein Wert passt nicht in seine Spalte"},
    {1273, false, "the server lacks a collation", "dem Server fehlt eine Sortierfolge"},
    {1286, false, "the server lacks a storage engine", "dem Server fehlt eine Storage-Engine"},
    {1290, true, "the server's options forbid a statement",
        "die Optionen des Servers verbieten es"},
    {1292, false, "a value is of another kind than its column",
        "ein Wert passt nicht zu seiner Spalte"},
    {1298, false, "the server does not know a time zone", "der Server kennt eine Zeitzone nicht"},
    {1300, false, "a text has bytes that its character set lacks",
        "ein Text passt nicht zum Zeichensatz"},
    {1304, false, "a routine exists already", "eine Routine gibt es schon"},
    {1305, false, "there is no such routine", "eine Routine gibt es nicht"},
    {1317, true, "the statement was interrupted", "die Anweisung wurde abgebrochen"},
    {1347, false, "something is not what the statement takes it for", "etwas ist von anderer Art"},
    {1356, true, "a view leads to something that is not there", "eine View führt ins Leere"},
    {1359, false, "a trigger exists already", "einen Trigger gibt es schon"},
    {1364, false, "a column without a default gets no value",
        "eine Spalte ohne Vorgabe erhält keinen Wert"},
    {1366, false, "a value does not fit its column's kind or character set",
        "ein Wert passt nicht zu Art oder Zeichensatz seiner Spalte"},
    {1370, false, "the account lacks a right on a routine",
        "dem Konto fehlt ein Recht auf eine Routine"},
    {1406, false, "a value is too long for its column", "ein Wert ist zu lang für seine Spalte"},
    {1411, false, "a value is of another kind", "ein Wert ist von anderer Art"},
    {1412, true, "a table was changed meanwhile", "eine Tabelle wurde inzwischen verändert"},
    {1418, false, "a function is not declared as the binary log needs it",
        "eine Funktion ist nicht so deklariert, wie es das Binärlog braucht"},
    {1419, false, "a trigger needs the right SUPER", "ein Trigger verlangt das Recht SUPER"},
    {1449, true, "the account that a view or routine runs as is not there",
        "das Konto, als das eine View oder Routine läuft, gibt es nicht"},
    {1451, false, "a foreign key still leads to a row",
        "ein Fremdschlüssel führt noch auf eine Zeile"},
    {1452, false, "a foreign key has no row that it leads to",
        "ein Fremdschlüssel führt ins Leere"},
    {1526, false, "a table has no partition for a value",
        "eine Tabelle hat keine Partition für einen Wert"},
    {1586, false, "a value occurs twice where it may occur once",
        "ein Wert kommt zweimal vor, wo er nur einmal vorkommen darf"},
    {1644, false, "a trigger or routine of the database refused (SIGNAL)",
        "ein Trigger oder eine Routine der Datenbank hat abgelehnt (SIGNAL)"},
    {1690, false, "a calculation leaves its range", "eine Rechnung verlässt ihren Bereich"},
    {1698, true, "the login was refused", "die Anmeldung wurde abgelehnt"},
    {1701, false, "a foreign key leads to the table", "ein Fremdschlüssel führt auf die Tabelle"},
    {1712, true, "an index is damaged", "ein Index ist beschädigt"},
    {1785, false, "tables of several kinds in one transaction",
        "Tabellen mehrerer Arten in einer Transaktion"},
    {1792, true, "nothing may be written here", "hier darf nichts geschrieben werden"},
    {1812, true, "a table's file is missing", "die Datei einer Tabelle fehlt"},
    {1813, true, "a table's file is there already", "die Datei einer Tabelle gibt es schon"},
    {1814, true, "a table's file was taken away", "die Datei einer Tabelle wurde entfernt"},
    {1820, true, "the account's password must be changed",
        "das Passwort des Kontos muss geändert werden"},
    {1862, true, "the account's password has expired", "das Passwort des Kontos ist abgelaufen"},
    {1872, true, "a damaged table's repair failed",
        "eine beschädigte Tabelle liess sich nicht reparieren"},
    {1877, true, "a table is damaged", "eine Tabelle ist beschädigt"},
    {1901, false, "a calculated column is not allowed", "eine berechnete Spalte ist nicht erlaubt"},
    {1927, true, "the connection was ended", "die Verbindung wurde beendet"},
    {1932, true, "a table is known but its engine has lost it",
        "eine Tabelle ist der Engine unbekannt"},
    {1969, true, "the statement took longer than allowed", "die Anweisung dauerte zu lange"},
    {2002, true, "the server cannot be reached", "der Server ist nicht erreichbar"},
    {2003, true, "the server cannot be reached", "der Server ist nicht erreichbar"},
    {2005, true, "the server's name is not known", "der Name des Servers ist unbekannt"},
    {2006, true, "the server ended the connection", "der Server hat die Verbindung beendet"},
    {2008, true, "there is not enough memory", "der Speicher reicht nicht"},
    {2012, true, "the connection was cut at its start", "die Verbindung brach am Anfang ab"},
    {2013, true, "the connection to the server was lost", "die Verbindung zum Server brach ab"},
    {2020, true, "a row is larger than allowed (max_allowed_packet)",
        "eine Zeile ist grösser als erlaubt (max_allowed_packet)"},
    {2026, true, "TLS with the server failed", "TLS mit dem Server ist gescheitert"},
    {2027, true, "the server's answer makes no sense",
        "die Antwort des Servers ist unverständlich"},
    {2059, true, "a login plugin is missing", "ein Plugin für die Anmeldung fehlt"},
    {3159, false,
        "the server takes connections with TLS only (require_secure_transport), and those to the database have none: use its unix socket, or a network of their own without that setting",
        "der Server nimmt nur Verbindungen mit TLS an (require_secure_transport), und die zur Datenbank haben keines: den Unix-Socket nehmen, oder ein eigenes Netz ohne diese Einstellung"},
    {4025, false, "a value breaks a rule of its table (CHECK)",
        "ein Wert verletzt eine Regel seiner Tabelle (CHECK)"},
    {4078, false, "a value cannot be converted", "ein Wert lässt sich nicht umwandeln"},
    {4151, true, "the account is locked", "das Konto ist gesperrt"},
    {4161, false, "the server does not know a data type", "der Server kennt einen Datentyp nicht"},
    {4166, false, "it wants a file of the machine that reads it in",
        "sie will eine Datei der Maschine, die sie einliest"},
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

const char *said_words(unsigned number, bool german)
{
    const struct number *n = find(number);
    return !n ? NULL : german ? n->de : n->en;
}

const char *said_of_ours(unsigned number, const char *text, char buf[static SAID_MAX])
{
    const struct number *n = find(number);
    const char *words = !n ? "the server refuses" : n->names ? text : n->en;
    char copy[SAID_MAX - 24];
    utf8_copy(copy, sizeof copy, words);
    utf8_format(buf, SAID_MAX, "%s (error %u)", copy, number);
    return buf;
}

static bool state_valid(const char *s)
{
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return s && strlen(s) == 5 && strspn(s, letters) == 5;
}

const char *said_of_theirs(
    unsigned number, const char *state, bool german, char buf[static SAID_MAX])
{
    const char *words = said_words(number, german);
    if (!words)
        words = german ? "der Server lehnt eine Anweisung ab" : "the server refuses a statement";
    bool known = state_valid(state);
    utf8_format(buf, SAID_MAX, "%s (%s %u%s%s)", words, german ? "Fehler" : "error", number,
        known ? ", " : "", known ? state : "");
    return buf;
}

static bool begins(const char *text, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strncmp(text, list[i], strlen(list[i])) == 0)
            return true;
    return false;
}

/* The line, up to its end. */
static const char *one_line(const char *line, char buf[static SAID_MAX])
{
    char copy[SAID_MAX];
    size_t n = strcspn(line, "\r\n");
    snprintf(copy, sizeof copy, "%.*s", (int)utf8_cut(line, n, SAID_MAX - 1), line);
    return utf8_copy(buf, SAID_MAX, copy);
}

const char *said_of_check(const char *text, char buf[static SAID_MAX])
{
    return begins(text, check_lines) ? one_line(text, buf)
                                     : utf8_copy(buf, SAID_MAX, "CHECK TABLE finds it damaged");
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

static const char *show(const struct found *f, char buf[static SAID_MAX])
{
    char words[SAID_MAX], where[80] = "";
    if (f->number == 0)
        snprintf(words, sizeof words, "the client refuses a statement");
    else
        said_of_theirs(f->number, f->state, false, words);
    if (f->line)
        snprintf(where, sizeof where, " at line %lu", f->line);
    else if (f->row)
        snprintf(where, sizeof where, " at row %lu", f->row);
    utf8_format(buf, SAID_MAX, "%s%s", UTF8_SHORT(words, 200), where);
    return buf;
}

const char *said_of_program(const char *text, char buf[static SAID_MAX])
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
        return show(&best, buf);
    if (last)
        return one_line(last, buf);
    return utf8_copy(
        buf, SAID_MAX, *text ? "what it said is not repeated here" : "it said nothing");
}

const char *said_of_log(const char *text, char buf[static SAID_MAX])
{
    const char *at = text;
    while ((at = strstr(at, "[ERROR] "))) {
        at += 8;
        if (begins(at, log_lines))
            return one_line(at, buf);
    }
    return utf8_copy(buf, SAID_MAX,
        strstr(text, "[ERROR]") ? "what its log says is not repeated here"
                                : "its log names no error");
}
