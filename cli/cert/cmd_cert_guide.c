#include "cli/cert/cmd_cert_guide.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"

#define WINDOWS_FOLDER "C:/elexgate"
#define UNIX_FOLDER    "/opt/elexgate"

bool guide_target_parse(const char *name, enum guide_target *out)
{
    static const char *const names[] = {
        "jdbc", "windows", "macos", "linux", "webelexis", "package"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum guide_target)i;
            return true;
        }
    }
    return false;
}

/* Takes over code. */
static void step(struct guide *g, const char *english, char *code)
{
    g->steps = xrealloc(g->steps, (g->n + 1) * sizeof *g->steps);
    g->steps[g->n++] = (struct guide_step){
        .text = xstrdup(lang_text(g->lang, english)), .code = code};
}

/* The parameters of MySQL Connector/J, 8.0 and 9. sslMode wins over the useSSL=false that Elexis's
 * wizard writes. */
static char *jdbc_parameters(const struct guide_facts *f, bool windows)
{
    if (f->issuer == NULL)
        return xstrdup("sslMode=VERIFY_IDENTITY");
    return xasprintf(
        "sslMode=VERIFY_IDENTITY&trustCertificateKeyStoreUrl=file:%s/" GUIDE_TRUST_FILE
        "&trustCertificateKeyStoreType=PKCS12&trustCertificateKeyStorePassword=" GUIDE_TRUST_PASSWORD,
        windows ? "/" WINDOWS_FOLDER : UNIX_FOLDER);
}

char *guide_database_field(const struct guide_facts *f, bool windows)
{
    _cleanup_free_ char *parameters = jdbc_parameters(f, windows);
    /* What Elexis appends ("?useSSL=false...") becomes the value of a parameter without meaning. */
    return xasprintf("%s?%s&z=", f->database, parameters);
}

char *guide_package_field(const struct guide_facts *f, bool windows)
{
    _cleanup_free_ char *parameters = jdbc_parameters(f, windows);
    return xasprintf("%s?%s&sendFractionalSeconds=false&z=", f->database, parameters);
}

char *guide_jdbc_url(const struct guide_facts *f, bool windows)
{
    _cleanup_free_ char *parameters = jdbc_parameters(f, windows);
    return xasprintf("jdbc:mysql://%s:%s/%s?%s", f->host, f->port, f->database, parameters);
}

static void build_jdbc(const struct guide_facts *f, struct guide *g)
{
    g->title = xasprintf(lang_text(g->lang, "Connect Elexis with %s"), f->host);
    if (f->issuer != NULL) {
        step(g,
            N_("Copy elexgate-trust.p12 to this folder of the workstation (Windows / macOS, Linux):"),
            xstrdup("C:\\elexgate\\" GUIDE_TRUST_FILE "\n" UNIX_FOLDER "/" GUIDE_TRUST_FILE));
    }
    step(g, N_("In Elexis, at the start: connection, type MySQL, and as the server:"),
        xasprintf("%s\n%s %s", f->host, lang_text(g->lang, "port"), f->port));
    step(g, N_("As the name of the database, on Windows, in one line:"),
        guide_database_field(f, true));
    step(g, N_("As the name of the database, on macOS and Linux, in one line:"),
        guide_database_field(f, false));
    step(g,
        N_("Before a MariaDB put the first of these in front of z=, so that times are found again; Elexis 3.7 and 3.8 need the second as well:"),
        xstrdup("sendFractionalSeconds=false&\nenabledTLSProtocols=TLSv1.2&"));
    step(g,
        N_("User and password stay as they are. For programs that take a whole JDBC URL (MySQL Connector/J 8.0 and 9):"),
        guide_jdbc_url(f, true));
    step(g,
        N_("If Elexis 3.9 to 3.12 says \"No appropriate protocol\", the listener in elexgate.ini lacks:"),
        xstrdup("announce = elexis"));
}

/* What somebody asks who was handed the package and nothing else: does it work, and what is it? */
static void step_try(const struct guide_facts *f, struct guide *g)
{
    step(g,
        N_("To try it before Elexis is touched, where MariaDB's own client is installed, in a terminal in the unpacked folder; with the user and password of the Elexis connection. In its answer the line «SSL» names a cipher («Cipher in use is TLS_…»), or it says why not:"),
        xasprintf(
            "mariadb --no-defaults --protocol=tcp%s --ssl-verify-server-cert --host=%s --port=%s --user=%s --password -e status",
            f->issuer ? " --ssl-ca=elexgate-ca.pem" : " --ssl", f->host, f->port,
            lang_text(g->lang, N_("USER"))));
}

static void step_contents(struct guide *g)
{
    step(g, N_("What is in the package:"),
        xasprintf(
            lang_text(g->lang,
                "%s  the practice's CA, for Elexis (password: %s, which protects nothing)\nelexgate-ca.cer, .pem  the same for Windows, and for other programs\n%s, %s  what is pasted as the database's name\n%s  the same, where the system trusts the CA already\n*.cmd  the script for Windows"),
            GUIDE_TRUST_FILE, GUIDE_TRUST_PASSWORD, GUIDE_LINE_WINDOWS, GUIDE_LINE_UNIX,
            GUIDE_LINE_STORE));
}

/* The words of menus and fields are those of Elexis 3's own German and English texts. */
static void build_package(const struct guide_facts *f, struct guide *g)
{
    g->list = true;
    g->title = xasprintf(lang_text(g->lang, "Connect a workstation with %s, encrypted"), f->host);
    if (f->issuer != NULL) {
        step(g,
            N_("Windows: unpack the ZIP, right-click setup.cmd, Run as administrator. It copies the trust store to C:\\elexgate, has Windows trust the practice's CA, and puts the line for Elexis into the clipboard. macOS and Linux, in a terminal in the unpacked folder:"),
            xstrdup(
                "sudo mkdir -p " UNIX_FOLDER " && sudo cp " GUIDE_TRUST_FILE " " UNIX_FOLDER "/"));
    }
    step_try(f, g);
    step(g,
        N_("Elexis 3.9 to 3.12: menu File, Connection…; in the list choose the connection to create a new one («Neue Verbindung erstellen»), then Next."),
        NULL);
    step(g,
        N_("Elexis 3.13 and later: the same way; only users with the right to set the database connection see the menu entry. On a new workstation the same wizard opens at the first start."),
        NULL);
    step(g, N_("In the wizard: Typ, Serveradresse and Port:"),
        xasprintf("MySQL\n%s\n%s", f->host, f->port));
    step(g,
        N_("Datenbankname: paste the line (Ctrl+V). It is in the files line-windows.txt and line-macos-linux.txt; on Windows:"),
        guide_package_field(f, true));
    step(g,
        N_("DB user and password stay as they were. Tick «Elexis nach Verbindungswechsel neu starten», Finish."),
        NULL);
    step(g,
        N_("This is what success looks like: Elexis starts and asks for user and password as always, and on the page of Elexgate, under Workstations, the row of this workstation turns to a green TLS. Tick it off on the list."),
        NULL);
    step(g,
        N_("If it does not: Elexis says only \"Communications link failure\"; its log says why, in the home folder:"),
        xstrdup(
            "elexis/logs/elexis-3.log\nPath does not chain with any of the trust anchors\nCannot open file:\nServer identity verification failed"));
    step(g,
        N_("The first of these: the file belongs to another CA, take a new package. The second: it is not in its folder, see the first step. The third: the server is reached under a name that its certificate lacks; ask whoever looks after Elexgate."),
        NULL);
    step(g,
        N_("The short way on Windows: drop the folder of Elexis (where elexis.ini is) on setup.cmd; then Elexis uses the Windows store, and this line is enough:"),
        xasprintf("%s?sslMode=VERIFY_IDENTITY&sendFractionalSeconds=false&z=", f->database));
    if (f->issuer != NULL)
        step_contents(g);
}

static void step_compare(const struct guide_facts *f, struct guide *g)
{
    step(g, N_("The fingerprint shown must be this one (SHA-256, then SHA-1):"),
        xasprintf("%s\n%s", f->sha256, f->sha1));
}

static void build_windows(const struct guide_facts *f, struct guide *g)
{
    g->title = xasprintf(lang_text(g->lang, "Windows: trust the certificate of %s"), f->host);
    step(g,
        N_("Double-click elexgate-ca.cer, Install Certificate, Local Machine, Place all certificates in the following store: Trusted Root Certification Authorities. Or, in a command prompt of the administrator:"),
        xstrdup("certutil -addstore -f Root " GUIDE_CA_DER));
    step_compare(f, g);
    step(g,
        N_("For Elexis to use the Windows store, these lines go to the end of elexis.ini, behind -vmargs:"),
        xstrdup("-Djavax.net.ssl.trustStoreType=Windows-ROOT"));
    struct guide_facts bare = *f;
    bare.issuer = NULL; /* no trust store in the URL */
    step(g, N_("And in Elexis, as the name of the database:"), guide_database_field(&bare, true));
}

static void build_macos(const struct guide_facts *f, struct guide *g)
{
    g->title = xasprintf(lang_text(g->lang, "macOS: trust the certificate of %s"), f->host);
    step(g, N_("In Terminal, compare the fingerprint:"), xstrdup("shasum -a 256 " GUIDE_CA_DER));
    step_compare(f, g);
    step(g, N_("Then let the system trust it:"),
        xstrdup("sudo security add-trusted-cert -d -r trustRoot \\\n"
                "  -k /Library/Keychains/System.keychain " GUIDE_CA_DER));
    step(g, N_("Java, hence Elexis, does not look there; see: elexgate cert export --for jdbc"),
        NULL);
}

static void build_linux(const struct guide_facts *f, struct guide *g)
{
    g->title = xasprintf(lang_text(g->lang, "Linux: trust the certificate of %s"), f->host);
    step(g, N_("Compare the fingerprint:"),
        xstrdup("openssl x509 -in " GUIDE_CA_PEM " -noout -fingerprint -sha256"));
    step_compare(f, g);
    step(g, N_("Debian, Ubuntu:"),
        xstrdup("sudo cp " GUIDE_CA_PEM " /usr/local/share/ca-certificates/elexgate-ca.crt\n"
                "sudo update-ca-certificates"));
    step(g, N_("Fedora, RHEL:"),
        xstrdup("sudo cp " GUIDE_CA_PEM " /etc/pki/ca-trust/source/anchors/\n"
                "sudo update-ca-trust"));
    step(g, N_("The mariadb command line client takes it without that:"),
        xasprintf("mariadb --host=%s --port=%s --user=USER --password \\\n"
                  "  --ssl-ca=" GUIDE_CA_PEM " --ssl-verify-server-cert %s",
            f->host, f->port, f->database));
}

static void build_webelexis(const struct guide_facts *f, struct guide *g)
{
    g->title = xasprintf(lang_text(g->lang, "Connect Webelexis with %s"), f->host);
    step(g,
        N_("Webelexis (mysql2 1.7) has no option for TLS. It gets a listener of its own, in plaintext, that only its network reaches; its sessions are counted and blocked as all others. In elexgate.ini, with the network of its container:"),
        xstrdup(
            "[listen webelexis]\naddress = 172.17.0.1\nport = 3313\ntls = off\nannounce = server\nallow = 172.17.0.0/16"));
    step(g,
        N_("Never open that port to the practice's network. Restart elexgate-proxy, then in Webelexis:"),
        xasprintf("DBHOST=172.17.0.1\nDBPORT=3313\nDBNAME=%s", f->database));
}

void guide_build(enum guide_target target, const struct guide_facts *f, struct guide *out)
{
    static void (*const builders[])(const struct guide_facts *, struct guide *) = {
        build_jdbc, build_windows, build_macos, build_linux, build_webelexis, build_package};
    struct guide g = {.lang = f->lang};
    bool system_store = target == GUIDE_WINDOWS || target == GUIDE_MACOS || target == GUIDE_LINUX;
    if (f->issuer == NULL && system_store) {
        g.title = xasprintf(lang_text(g.lang, "The certificate of %s"), f->host);
        step(&g,
            N_("It comes from a public certification authority: the system knows it, nothing needs to be installed."),
            NULL);
    } else {
        builders[target](f, &g);
    }
    *out = g;
}

void guide_clear(struct guide *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->steps[i].text);
        free(g->steps[i].code);
    }
    free(g->steps);
    free(g->title);
    *g = (struct guide){0};
}

char *guide_text(const struct guide *g)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    CHECK(f != NULL);
    fprintf(f, "%s\n\n", g->title);
    for (size_t i = 0; i < g->n; i++) {
        fprintf(f, "%zu. %s\n", i + 1, g->steps[i].text);
        for (const char *p = g->steps[i].code; p != NULL && *p != '\0';) {
            int n = (int)strcspn(p, "\n");
            fprintf(f, "     %.*s\n", n, p);
            p += n + (p[n] == '\n');
        }
        fprintf(f, "\n");
    }
    CHECK(fclose(f) == 0);
    return out;
}

static void put_escaped(FILE *f, const char *s)
{
    for (; *s != '\0'; s++) {
        switch (*s) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc(*s, f);
        }
    }
}

static const char page_style[] =
    "@page{size:A4;margin:18mm}body{font:12pt/1.4 sans-serif;max-width:46em;margin:2em auto}h1{font-size:18pt}pre{font:10pt/1.4 monospace;background:#f2f2f2;border:1px solid #999;padding:.6em;white-space:pre-wrap;word-break:break-all}li{margin-bottom:.8em;break-inside:avoid}table{border-collapse:collapse;width:100%}td{border:1px solid #999;"
    "padding:.3em .6em;word-break:break-all}td:first-child{width:11em}th{border:1px solid #999;text-align:left;font-size:10pt}.tick{text-align:center}h1.list{break-before:page}";

static void put_row(FILE *f, const char *label, const char *value)
{
    fputs("<tr><td>", f);
    put_escaped(f, label);
    fputs("</td><td>", f);
    put_escaped(f, value);
    fputs("</td></tr>\n", f);
}

#define LIST_ROWS 14

/* A sheet of its own: one row for each workstation. */
static void put_list(FILE *f, enum lang lang)
{
    static const char *const heads[] = {N_("Workstation"), N_("Script run"), N_("Line pasted"),
        N_("Green on the page"), N_("Date, initials")};
    size_t n = sizeof heads / sizeof heads[0];
    fprintf(f, "<h1 class=\"list\">%s</h1>\n<table><tr>", lang_text(lang, "To tick off"));
    for (size_t i = 0; i < n; i++)
        fprintf(f, "<th>%s</th>", lang_text(lang, heads[i]));
    fputs("</tr>\n", f);
    for (size_t row = 0; row < LIST_ROWS; row++) {
        fputs("<tr>", f);
        for (size_t i = 0; i < n; i++)
            fputs(i > 0 && i < 4 ? "<td class=\"tick\">☐</td>" : "<td>&nbsp;</td>", f);
        fputs("</tr>\n", f);
    }
    fputs("</table>\n", f);
}

char *guide_html(const struct guide *g, const struct guide_facts *facts)
{
    char *out = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&out, &len);
    enum lang lang = g->lang;
    CHECK(f != NULL);
    fprintf(f, "<!DOCTYPE html>\n<html lang=\"%s\"><head><meta charset=\"utf-8\"><title>",
        lang_code(lang));
    put_escaped(f, g->title);
    fprintf(f, "</title><style>%s</style></head><body>\n<h1>", page_style);
    put_escaped(f, g->title);
    fputs("</h1>\n<table>\n", f);
    put_row(f, lang_text(lang, "Workstation"), "");
    put_row(f, lang_text(lang, "Set up on, by"), "");
    put_row(f, lang_text(lang, "Server"), facts->host);
    put_row(f, lang_text(lang, "Port"), facts->port);
    if (facts->issuer != NULL) {
        put_row(f, lang_text(lang, "Issuer"), facts->issuer);
        put_row(f, lang_text(lang, "Valid until"), facts->valid_until);
        put_row(f, "SHA-256", facts->sha256);
    }
    fputs("</table>\n<ol>\n", f);
    for (size_t i = 0; i < g->n; i++) {
        fputs("<li>", f);
        put_escaped(f, g->steps[i].text);
        if (g->steps[i].code != NULL) {
            fputs("<pre>", f);
            put_escaped(f, g->steps[i].code);
            fputs("</pre>", f);
        }
        fputs("</li>\n", f);
    }
    fputs("</ol>\n", f);
    if (g->list)
        put_list(f, lang);
    fputs("</body></html>\n", f);
    CHECK(fclose(f) == 0);
    return out;
}
