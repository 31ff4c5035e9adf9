/*
 * What the subcommands of `elexgate cert` share; see cmd_cert.h.
 */
#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "certs/chain.h"
#include "certs/pair.h"
#include "certs/pem.h"
#include "cli/cert/cmd_cert.h"
#include "cli/output.h"
#include "common/json_get.h"
#include "common/lang.h"
#include "link/control.h"

#define RELOAD_TIMEOUT_MS 10000
#define PACKAGE_USER      "elexgate"
#define PACKAGE_GROUP     "elexgate-tls" /* may read the gate's key */

/* Refusals of bad certificates are EXIT_REFUSED. */
static int refusal_code(const struct err *e)
{
    bool unfit = e->code == EINVAL || e->code == EBADMSG || e->code == EKEYEXPIRED ||
                 e->code == EFBIG || e->code == EEXIST || e->code == EPERM;
    return unfit ? EXIT_REFUSED : exit_code_of_call(-e->code);
}

int cert_fail(struct cert_run *run)
{
    return cli_fail(run->cli, refusal_code(&run->e), &run->e);
}

int cert_fail_at(struct cert_run *run, const struct err *e, const char *field)
{
    return cli_fail_with(run->cli, refusal_code(e), e, json_pack("{s:s*}", "field", field));
}

enum make_key_kind cert_key_kind(const struct cert_run *run)
{
    return run->args.rsa ? MAKE_KEY_RSA3072 : run->args.ed25519 ? MAKE_KEY_ED25519 : MAKE_KEY_P256;
}

enum make_key_kind cert_key_kind_like(const struct cert_run *run, const EVP_PKEY *old)
{
    if (run->args.rsa || run->args.ed25519)
        return cert_key_kind(run);
    switch (EVP_PKEY_get_base_id(old)) {
    case EVP_PKEY_RSA:
        return MAKE_KEY_RSA3072;
    case EVP_PKEY_ED25519:
        return MAKE_KEY_ED25519;
    default:
        return MAKE_KEY_P256;
    }
}

/* The configuration may be missing when --dir says all that is needed. */
static const struct config *config_if_any(struct cert_run *run)
{
    const char *path = run->cli->config_path;
    if (run->args.dir != NULL && path == NULL && access(CONFIG_DEFAULT_PATH, R_OK) < 0)
        return NULL;
    return cli_config(run->cli);
}

static bool same_folder(const char *a, const char *b)
{
    _cleanup_free_ char *ra = realpath(a, NULL);
    _cleanup_free_ char *rb = realpath(b, NULL);
    return ra != NULL && rb != NULL && strcmp(ra, rb) == 0;
}

/* Who gets the server's files: --owner, else the owner of the present ones, else the packages'
 * group, else the packages' user. */
static int choose_owner(struct cert_run *run)
{
    const char *name = run->args.owner;
    if (name == NULL && (geteuid() != 0 || run->store.owner != (uid_t)-1))
        return EXIT_GOOD;
    const struct group *shared = name == NULL ? getgrnam(PACKAGE_GROUP) : NULL;
    if (shared != NULL) {
        run->store.owner = 0;
        run->store.group = shared->gr_gid;
        run->store.key_mode = 0640;
        return EXIT_GOOD;
    }
    const struct passwd *pw = getpwnam(name != NULL ? name : PACKAGE_USER);
    if (pw == NULL)
        return name == NULL ? EXIT_GOOD : cli_usage(run->cli, "there is no user \"%s\"", name);
    run->store.owner = pw->pw_uid;
    run->store.group = pw->pw_gid;
    run->store.key_mode = 0600;
    return EXIT_GOOD;
}

static int open_store(struct cert_run *run, const char *dir, const char *cert, const char *key)
{
    enum cert_store_access access = run->options & CERT_READS_ONLY ? CERT_STORE_READ
                                                                   : CERT_STORE_WRITE;
    if (cert_store_open(dir, cert, key, access, &run->store, &run->e) < 0)
        return cert_fail(run);
    return choose_owner(run);
}

static int open_configured(struct cert_run *run, const struct config *c, const char *cert_path)
{
    _cleanup_free_ char *cert = xstrdup(cert_path);
    _cleanup_free_ char *cert2 = xstrdup(cert_path);
    _cleanup_free_ char *key = xstrdup(config_str(c, "tls", NULL, "key"));
    _cleanup_free_ char *key2 = xstrdup(key);
    const char *dir = dirname(cert);
    if (strcmp(dir, dirname(key)) != 0) {
        return cli_failf(run->cli, EXIT_REFUSED,
            "[tls] certificate and key lie in different folders (%s): name the folder to work in with --dir",
            config_path(c));
    }
    run->config = c;
    run->proxy_socket = xstrdup(config_str(c, "proxy", NULL, "control_socket"));
    return open_store(run, dir, basename(cert2), basename(key2));
}

int cert_open(struct cert_run *run)
{
    const struct config *c = config_if_any(run);
    if (c == NULL && run->args.dir == NULL)
        return EXIT_FAILED; /* told by cli_config */
    const char *cert_path = c != NULL ? config_str(c, "tls", NULL, "certificate") : NULL;
    _cleanup_free_ char *copy = xstrdup(cert_path);
    if (cert_path != NULL && (run->args.dir == NULL || same_folder(run->args.dir, dirname(copy))))
        return open_configured(run, c, cert_path);
    if (run->args.dir == NULL)
        return cli_usage(run->cli, "name the folder with --dir: [tls] certificate is not set");
    return open_store(run, run->args.dir, NULL, NULL);
}

/* Reads one line from the terminal without showing it. malloc'ed; NULL when there is no terminal.
 */
static char *ask_terminal(const char *prompt)
{
    struct termios old, silent;
    char line[1024];
    FILE *tty = fopen("/dev/tty", "r+e");
    if (tty == NULL || tcgetattr(fileno(tty), &old) < 0) {
        if (tty != NULL)
            fclose(tty);
        return NULL;
    }
    silent = old;
    silent.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(fileno(tty), TCSAFLUSH, &silent);
    fprintf(tty, "%s", prompt);
    fflush(tty);
    char *got = fgets(line, sizeof line, tty);
    tcsetattr(fileno(tty), TCSAFLUSH, &old);
    fprintf(tty, "\n");
    fclose(tty);
    if (got != NULL)
        line[strcspn(line, "\r\n")] = '\0';
    char *out = got != NULL ? xstrdup(line) : NULL;
    explicit_bzero(line, sizeof line);
    return out;
}

static char *ask_passphrase(void *ctx, const char *what, struct err *e)
{
    struct cert_run *run = ctx;
    char *text = NULL;
    if (run->args.ca_passphrase_file != NULL)
        return secret_read(run->args.ca_passphrase_file, &text, e) < 0 ? NULL : text;
    _cleanup_free_ char *prompt = xasprintf("%s %s: ", tr(run->cli, "Passphrase of"), what);
    text = ask_terminal(prompt);
    if (text == NULL) {
        err_set(
            e, EACCES, "%s is encrypted: give its passphrase with --ca-passphrase-file FILE", what);
    }
    return text;
}

char *cert_new_passphrase(struct cert_run *run, const char *file, const char *what, struct err *e)
{
    char *text = NULL;
    if (file != NULL)
        return secret_read(file, &text, e) < 0 ? NULL : text;
    _cleanup_free_ char *prompt = xasprintf("%s %s: ", tr(run->cli, "New passphrase for"), what);
    text = ask_terminal(prompt);
    char *again = text != NULL ? ask_terminal(tr(run->cli, "Again: ")) : NULL;
    if (text == NULL) {
        err_set(e, EACCES, "there is no terminal to ask for a passphrase: give it in a file");
    } else if (again == NULL || strcmp(text, again) != 0) {
        err_set(e, EINVAL, "the two passphrases differ");
        secret_free(text);
        text = NULL;
    } else if (text[0] == '\0') {
        err_set(e, EINVAL, "an empty passphrase protects nothing");
        secret_free(text);
        text = NULL;
    }
    secret_free(again);
    return text;
}

int cert_open_ca(struct cert_run *run, X509 **ca, EVP_PKEY **key)
{
    if (cert_store_read_ca(&run->store, run->args.ca_key, ask_passphrase, run, ca, key, &run->e) <
        0)
        return cert_fail(run);
    return EXIT_GOOD;
}

char *cert_colons(const char *hex)
{
    size_t n = strlen(hex), at = 0;
    char *s = xmalloc(n + n / 2 + 2);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && i % 2 == 0)
            s[at++] = ':';
        s[at++] = hex[i];
    }
    s[at] = '\0';
    return s;
}

/* The members of both lists; b may be NULL. */
static json_t *list_json(char **a, char **b)
{
    json_t *all = json_array();
    for (; *a != NULL; a++)
        json_array_append_new(all, json_string(*a));
    for (; b != NULL && *b != NULL; b++)
        json_array_append_new(all, json_string(*b));
    return all;
}

static json_t *warnings_json(unsigned warnings)
{
    json_t *all = json_array();
    for (unsigned bit = 1; bit <= CERT_WARN_LAST; bit <<= 1)
        if (warnings & bit)
            json_array_append_new(all, json_string(cert_warning_text((enum cert_warning)bit)));
    return all;
}

static json_t *time_json(time_t t)
{
    char buf[sizeof "2027-12-24T07:30:00Z"];
    struct tm tm;
    if (gmtime_r(&t, &tm) == NULL || strftime(buf, sizeof buf, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return json_null();
    return json_string(buf);
}

json_t *cert_json(const struct cert_info *i, unsigned warnings, time_t now)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:o, s:i, s:o, s:s, s:s, s:b, s:o, s:o}", "subject",
        i->subject, "issuer", i->issuer, "serial", i->serial, "not_before",
        time_json(i->not_before), "not_after", time_json(i->not_after), "days_left",
        cert_info_days_left(i, now), "names", list_json(i->dns, i->ip), "key", i->key,
        "fingerprint_sha256", i->fingerprint_sha256, "is_ca", i->is_ca, "permitted",
        list_json(i->permitted, NULL), "warnings", warnings_json(warnings));
    CHECK(o != NULL);
    return o;
}

static void print_row(const char *label, const char *value)
{
    _cleanup_free_ char *safe = output_safe(value);
    int pad = 15 - (int)output_columns(label);
    printf("%s%*s %s\n", label, pad > 0 ? pad : 0, "", safe);
}

/* The members of both lists with commas between; b may be NULL. malloc'ed. */
static char *join(char **a, char **b)
{
    char *all = xstrdup("");
    char **const lists[] = {a, b};
    for (size_t k = 0; k < 2; k++) {
        for (char **p = lists[k]; p != NULL && *p != NULL; p++) {
            char *longer = xasprintf("%s%s%s", all, all[0] != '\0' ? ", " : "", *p);
            free(all);
            all = longer;
        }
    }
    return all;
}

void cert_print(const struct cli *cli, const struct cert_info *i, unsigned warnings, time_t now)
{
    char from[CERT_DATE_LEN], to[CERT_DATE_LEN];
    _cleanup_free_ char *names = join(i->dns, i->ip);
    _cleanup_free_ char *permitted = join(i->permitted, NULL);
    _cleanup_free_ char *colons = cert_colons(i->fingerprint_sha256);
    _cleanup_free_ char *until = xasprintf(
        tr(cli, "%s (%d days)"), cert_date(i->not_after, to), cert_info_days_left(i, now));
    print_row(tr(cli, "Certificate"), i->subject);
    print_row(tr(cli, "Issued by"), i->issuer);
    if (!i->is_ca || names[0] != '\0')
        print_row(tr(cli, "Names"), names[0] != '\0' ? names : "-");
    if (i->is_ca) {
        print_row(
            tr(cli, "May issue for"), permitted[0] != '\0' ? permitted : tr(cli, "all names"));
    }
    print_row(tr(cli, "Valid from"), cert_date(i->not_before, from));
    print_row(tr(cli, "Valid until"), until);
    print_row(tr(cli, "Key"), i->key);
    print_row(tr(cli, "Serial"), i->serial);
    print_row("SHA-256", colons);
    for (unsigned bit = 1; bit <= CERT_WARN_LAST; bit <<= 1) {
        if (warnings & bit) {
            enum cert_warning one = (enum cert_warning)bit;
            print_row(tr(cli, "Warning"), tr(cli, cert_warning_text(one)));
        }
    }
}

unsigned cert_cut_by_ca(const struct cert_run *run, X509 *x)
{
    _cleanup_x509_ X509 *ca = NULL;
    bool cut = cert_store_has_ca(&run->store) &&
               cert_store_read_ca_cert(&run->store, &ca, NULL) == 0 && X509_cmp(x, ca) != 0 &&
               chain_issued(ca, x) &&
               ASN1_TIME_compare(X509_get0_notAfter(x), X509_get0_notAfter(ca)) == 0;
    return cut ? (unsigned)CERT_WARN_CA_ENDS : 0;
}

enum reload { RELOAD_OFF, RELOAD_DONE, RELOAD_NOT_RUNNING, RELOAD_REFUSED };

static enum reload ask_reload(struct cert_run *run, struct err *e)
{
    if (run->args.no_reload || run->proxy_socket == NULL)
        return RELOAD_OFF;
    struct control *c = NULL;
    int r = control_connect(run->proxy_socket, RELOAD_TIMEOUT_MS, &c, e);
    if (r < 0)
        return r == -ENOENT || r == -ECONNREFUSED ? RELOAD_NOT_RUNNING : RELOAD_REFUSED;
    control_close(c);
    _cleanup_json_ json_t *request = json_pack("{s:s}", "cmd", "reload"), *answer = NULL;
    r = control_call(run->proxy_socket, RELOAD_TIMEOUT_MS, request, &answer, e);
    return r < 0 ? RELOAD_REFUSED : RELOAD_DONE;
}

static const char *reload_text(const struct cli *cli, enum reload r)
{
    switch (r) {
    case RELOAD_OFF:
        return tr(cli, "takes this over with: elexgate reload");
    case RELOAD_DONE:
        return tr(cli, "has taken this over; open sessions go on");
    case RELOAD_NOT_RUNNING:
        return tr(cli, "is not running and takes this over when it starts");
    case RELOAD_REFUSED:
        return tr(cli, "did not take this over; what it had serves on");
    }
    return "";
}

int cert_reload(struct cert_run *run, struct err *e)
{
    static const char *const words[] = {"off", "done", "not-running", "refused"};
    enum reload r = ask_reload(run, e);
    run->reload_word = words[r];
    run->reload_text = reload_text(run->cli, r);
    return r == RELOAD_REFUSED ? EXIT_FAILED : EXIT_GOOD;
}

void cert_tell_page_ca(const struct cert_run *run)
{
    if (run->page_ca == NULL)
        return;
    printf("\n");
    printf(
        tr(run->cli,
            "The page has a new CA of its own, %s: import it into each admin's browser, and into nothing else; no workstation needs it."),
        run->page_ca);
    printf("\n");
}

static void tell_published(
    struct cert_run *run, const struct cert_pair *pair, const char *headline, json_t *extra)
{
    const struct cert_info *i = cert_pair_info(pair);
    unsigned warnings = cert_pair_warnings(pair, run->now);
    _cleanup_free_ char *cert = cert_store_path(&run->store, run->store.cert_name);
    _cleanup_free_ char *key = cert_store_path(&run->store, run->store.key_name);
    if (run->cli->json) {
        json_t *o = json_pack("{s:b, s:o, s:s, s:s, s:s}", "ok",
            strcmp(run->reload_word, "refused") != 0, "certificate",
            cert_json(i, warnings, run->now), "certificate_file", cert, "key_file", key, "reload",
            run->reload_word);
        CHECK(o != NULL);
        if (run->page_ca)
            (void)json_object_set_new(o, "page_ca_file", json_string(run->page_ca));
        json_object_update(o, extra);
        cli_print_json(o);
        json_decref(o);
        return;
    }
    _cleanup_free_ char *files = xasprintf("%s, %s", cert, key);
    printf("%s\n\n", headline);
    cert_print(run->cli, i, warnings, run->now);
    print_row(tr(run->cli, "Files"), files);
    print_row("Proxy", run->reload_text);
    cert_tell_page_ca(run);
}

int cert_publish(struct cert_run *run, STACK_OF(X509) * chain, EVP_PKEY *key, const char *headline,
    json_t *extra)
{
    struct cert_pair *pair = NULL;
    int code = EXIT_GOOD;
    _cleanup_x509s_ STACK_OF(X509) *known = NULL;
    int r = cert_store_has_ca(&run->store) ? cert_store_read_cas(&run->store, &known, &run->e) : 0;
    if (r < 0 ||
        cert_pair_make(
            chain, key, known, N_("the new certificate"), N_("the new key"), &pair, &run->e) < 0 ||
        cert_pair_fits(pair, N_("the new certificate"), run->now, &run->e) < 0 ||
        cert_page_make(run, pair, false, &run->e) < 0 ||
        cert_store_publish(&run->store, pair, run->now, &run->e) < 0) {
        code = cert_fail(run);
    } else {
        code = cert_reload(run, &run->e);
        tell_published(run, pair, headline, extra);
        if (code != EXIT_GOOD)
            cli_warn(run->cli, &run->e);
    }
    cert_pair_unref(pair);
    json_decref(extra);
    return code;
}
