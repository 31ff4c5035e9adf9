/*
 * `elexgate cert` for the page: the request comes as JSON on standard input, through the keeper
 * that could do none of it itself. What the page sends goes through files of a folder that only we
 * can read, and so does what is made; both are removed before the answer is there. Which options a
 * subcommand takes, and whether a certificate is any good, is the command's own to say.
 */
#include "backup/job/page.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/run.h"
#include "common/error_phrase.h"
#include "common/exit_codes.h"
#include "common/file.h"
#include "common/json_get.h"
#include "common/json_lines.h"
#include "common/log.h"
#include "common/process.h"
#include "common/utf8.h"

#define WORK        "cert-work" /* in state_dir */
#define CONTENT_MAX (256 * 1024)
#define ANSWER_MAX  (700 * 1024) /* base64; a line of the protocol has at most 1 MiB */
#define WORDS_MAX   120
#define LIST_MAX    60
#define TEXT_MAX    400
#define END_MS      10000

/* Options that the page may use; paths, the CA's place, owners, and what only a shell may force are
 * not among them. */
static const struct allowed {
    const char *name;
    enum { FLAG, TEXT, NUMBER, LIST } kind;
} allowed[] = {{"host", LIST}, {"ip", LIST}, {"permit", LIST}, {"rsa", FLAG}, {"ed25519", FLAG},
    {"if-needed", FLAG}, {"other-names", FLAG}, {"old-format", FLAG}, {"days", NUMBER},
    {"ca-days", NUMBER}, {"name", TEXT}, {"country", TEXT}, {"canton", TEXT}, {"place", TEXT},
    {"organisation", TEXT}, {"department", TEXT}, {"for", TEXT}, {"port", TEXT}, {"database", TEXT},
    {"lang", TEXT}};

static const struct action {
    const char *name, *sub;
    const char *word; /* the option that is the subcommand's argument */
    bool reads_files, makes_files;
    const char *flag; /* always given */
    const char *out;  /* name of the file that --out names; NULL: --out names the folder */
} actions[] = {
    {"show", "show"},
    {"fingerprint", "fingerprint"},
    {"init", "init"},
    {"self-signed", "self-signed"},
    {"csr", "csr", .makes_files = true, .out = "request.csr"},
    {"install", "install", .reads_files = true},
    {"check", "install", .reads_files = true, .flag = "--check"}, /* what it would mean */
    {"back", "back"},
    {"renew", "renew"},
    {"client", "client", .word = "name", .makes_files = true},
    {"revoke", "revoke", .word = "name"},
    {"export", "export", .makes_files = true},
    {"guide", "export", .makes_files = true},
};

struct page_cert {
    const struct action *action;
    char *folder, *name; /* of this question, and its last part */
    char *parent;
    int lock;
    char *words[WORDS_MAX]; /* owned */
    size_t n;
};

static void word(struct page_cert *c, char *owned)
{
    CHECK(c->n < WORDS_MAX - 1);
    c->words[c->n++] = owned;
}

static void page_cert_drop(struct page_cert *c)
{
    struct err e = {0};
    _cleanup_fd_ int parent = c->parent ? open(c->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (c->name && parent >= 0 && file_remove_tree(parent, c->name, &e) < 0)
        log_err(LOG_ERROR, "cert-files-left", &e);
    for (size_t i = 0; i < c->n; i++)
        free(c->words[i]);
    if (c->lock >= 0)
        close(c->lock);
    free(c->folder);
    free(c->name);
    free(c->parent);
}

/* The folder of all questions, locked: between making one's own and locking that, nobody may take
 * it for one that was left. */
static int open_work(const char *state_dir, bool make, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/" WORK, state_dir);
    int r = make ? file_mkdirs(path, 0700, e) : 0;
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 && flock(fd, LOCK_EX) == 0)
        return fd;
    r = err_sys(e, errno, "cannot open %s", path);
    if (fd >= 0)
        close(fd);
    return r;
}

/* Whoever lives holds a lock on the folder. */
static void remove_left(int work)
{
    struct err e = {0};
    _cleanup_fd_ int copy = fcntl(work, F_DUPFD_CLOEXEC, 0);
    _cleanup_dir_ DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *de;
    if (d)
        copy = -1;
    while (d && (de = readdir(d))) {
        if (de->d_name[0] == '.')
            continue;
        _cleanup_fd_ int fd = openat(
            work, de->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        if (file_remove_tree(work, de->d_name, &e) < 0)
            log_err(LOG_ERROR, "cert-files-left", &e);
    }
}

void page_cert_clean(const char *state_dir)
{
    _cleanup_fd_ int work = open_work(state_dir, false, NULL);
    if (work >= 0)
        remove_left(work);
}

static int make_folder(const char *state_dir, struct page_cert *c, struct err *e)
{
    _cleanup_fd_ int work = open_work(state_dir, true, e);
    if (work < 0)
        return work;
    remove_left(work);
    c->parent = xasprintf("%s/" WORK, state_dir);
    c->name = xasprintf("%ld", (long)getpid());
    c->folder = xasprintf("%s/%s", c->parent, c->name);
    _cleanup_free_ char *out = xasprintf("%s/out", c->folder);
    if (mkdir(c->folder, 0700) < 0 || mkdir(out, 0700) < 0)
        return err_sys(e, errno, "cannot make %s", c->folder);
    c->lock = open(c->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return c->lock < 0 || flock(c->lock, LOCK_EX) < 0
               ? err_sys(e, errno, "cannot lock %s", c->folder)
               : 0;
}

/* --- what comes in --- */

/* Base64 with or without line breaks. *out is malloc'ed; a key may be in it. */
static int decode(const char *text, unsigned char **out, size_t *len)
{
    size_t n = strlen(text);
    int first = 0, last = 0;
    if (n > CONTENT_MAX * 4 / 3 + 1000)
        return -EFBIG;
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    unsigned char *data = xmalloc(n + 4);
    CHECK(ctx);
    EVP_DecodeInit(ctx);
    bool good = EVP_DecodeUpdate(ctx, data, &first, (const unsigned char *)text, (int)n) >= 0 &&
                EVP_DecodeFinal(ctx, data + first, &last) == 1 && first + last > 0;
    EVP_ENCODE_CTX_free(ctx);
    if (!good) {
        OPENSSL_cleanse(data, n + 4);
        free(data);
        return -EINVAL;
    }
    *out = data;
    *len = (size_t)(first + last);
    return 0;
}

/* Writes one content into the folder and names it to the command. */
static int take_content(struct page_cert *c, const json_t *options, const char *key, struct err *e)
{
    const json_t *v = json_object_get(options, key);
    unsigned char *data = NULL;
    size_t len = 0;
    if (!v || json_is_null(v))
        return 0;
    int r = json_is_string(v) ? decode(json_string_value(v), &data, &len) : -EINVAL;
    if (r < 0)
        return err_set(e, -r, "\"%s\" must be the file's content as base64, at most %d bytes", key,
            CONTENT_MAX);
    char *path = xasprintf("%s/%s", c->folder, key);
    r = file_publish(path, data, len, 0600, e);
    OPENSSL_cleanse(data, len);
    free(data);
    word(c, path);
    return r;
}

/* A passphrase goes through a file, never through the arguments, which every user can see. */
static int take_secret(
    struct page_cert *c, const json_t *options, const char *key, const char *option, struct err *e)
{
    const json_t *v = json_object_get(options, key);
    const char *text = json_string_value(v);
    if (!v || json_is_null(v))
        return 0;
    if (!text || !*text || strlen(text) > TEXT_MAX || strpbrk(text, "\r\n"))
        return err_set(e, EINVAL, "\"%s\" must be one line of text", key);
    _cleanup_free_ char *path = xasprintf("%s/%s", c->folder, key);
    int r = file_publish(path, text, strlen(text), 0600, e);
    word(c, xasprintf("--%s=%s", option, path));
    return r;
}

static int take_text(struct page_cert *c, const char *name, const json_t *v, struct err *e)
{
    const char *text = json_string_value(v);
    if (!text || strlen(text) > TEXT_MAX || strpbrk(text, "\r\n"))
        return err_set(e, EINVAL, "\"%s\" must be one line of text", name);
    word(c, xasprintf("--%s=%s", name, text));
    return 0;
}

static int take_list(struct page_cert *c, const char *name, const json_t *v, struct err *e)
{
    size_t i;
    const json_t *item;
    int r = 0;
    if (json_is_string(v))
        return take_text(c, name, v, e);
    if (!json_is_array(v) || json_array_size(v) > LIST_MAX ||
        c->n + json_array_size(v) > WORDS_MAX - 20)
        return err_set(e, EINVAL, "\"%s\" must be a list of at most %d texts", name, LIST_MAX);
    json_array_foreach (v, i, item)
        if (r == 0)
            r = take_text(c, name, item, e);
    return r;
}

static int take_option(struct page_cert *c, const struct allowed *a, const json_t *v, struct err *e)
{
    switch (a->kind) {
    case FLAG:
        if (!json_is_boolean(v))
            return err_set(e, EINVAL, "\"%s\" must be true or false", a->name);
        if (json_is_true(v))
            word(c, xasprintf("--%s", a->name));
        return 0;
    case NUMBER:
        if (!json_is_integer(v))
            return err_set(e, EINVAL, "\"%s\" must be a number", a->name);
        word(c, xasprintf("--%s=%lld", a->name, (long long)json_integer_value(v)));
        return 0;
    case LIST:
        return take_list(c, a->name, v, e);
    case TEXT:
        return take_text(c, a->name, v, e);
    }
    return 0;
}

/* "no_constraints" and "no-constraints" are the same. */
static const struct allowed *find_allowed(const char *key)
{
    for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++) {
        const char *a = allowed[i].name, *b = key;
        while (*a && (*a == *b || (*a == '-' && *b == '_')))
            a++, b++;
        if (!*a && !*b)
            return &allowed[i];
    }
    return NULL;
}

static bool is_content(const char *key)
{
    static const char *const names[] = {"certificate", "key", "chain", "password", "ca_password"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(key, names[i]) == 0)
            return true;
    return false;
}

static int take_options(struct page_cert *c, json_t *options, struct err *e)
{
    const char *key, *argument = NULL;
    json_t *v;
    int r = 0;
    json_object_foreach (options, key, v) {
        const struct allowed *a = find_allowed(key);
        if (r < 0 || is_content(key) || json_is_null(v))
            continue;
        if (!a)
            r = err_set(
                e, EINVAL, "there is no option \"%s\" for certificates here", UTF8_SHORT(key, 60));
        else if (c->action->word && strcmp(a->name, c->action->word) == 0)
            argument = json_string_value(v);
        else
            r = take_option(c, a, v, e);
    }
    if (r == 0)
        r = take_secret(c, options, "password", "passphrase-file", e);
    if (r == 0)
        r = take_secret(c, options, "ca_password", "ca-passphrase-file", e);
    if (r < 0)
        return r;
    word(c, xstrdup("--"));
    if (c->action->word && (!argument || strlen(argument) > TEXT_MAX))
        return err_set(e, EINVAL, "\"%s\" must be text", c->action->word);
    if (argument)
        word(c, xstrdup(argument));
    static const char *const contents[] = {"certificate", "key", "chain"};
    for (size_t i = 0; r == 0 && c->action->reads_files && i < 3; i++)
        r = take_content(c, options, contents[i], e);
    return r;
}

/* --- what goes out --- */

static const char *type_of(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {{".pem", "application/x-pem-file"}, {".crt", "application/x-pem-file"},
        {".key", "application/x-pem-file"}, {".csr", "application/pkcs10"},
        {".cer", "application/pkix-cert"}, {".der", "application/pkix-cert"},
        {".p12", "application/x-pkcs12"}, {".txt", "text/plain; charset=utf-8"},
        {".html", "text/html; charset=utf-8"}, {".zip", "application/zip"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return "application/octet-stream";
}

static json_t *encode(const char *data, size_t len)
{
    _cleanup_free_ unsigned char *text = xmalloc(len / 3 * 4 + 8);
    int n = EVP_EncodeBlock(text, (const unsigned char *)data, (int)len);
    json_t *s = json_stringn((const char *)text, (size_t)n);
    OPENSSL_cleanse(text, (size_t)n);
    return s;
}

static json_t *produced(const struct page_cert *c)
{
    _cleanup_free_ char *folder = xasprintf("%s/out", c->folder);
    json_t *files = json_array();
    size_t total = 0;
    _cleanup_dir_ DIR *d = opendir(folder);
    const struct dirent *de;
    while (d && (de = readdir(d))) {
        _cleanup_free_ char *path = xasprintf("%s/%s", folder, de->d_name), *data = NULL;
        size_t len = 0;
        struct stat st;
        if (de->d_name[0] == '.' || lstat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
            file_read(path, CONTENT_MAX, &data, &len, NULL) < 0)
            continue;
        total += len * 4 / 3;
        if (total <= ANSWER_MAX)
            json_array_append_new(files, json_pack("{s:s, s:s, s:o}", "name", de->d_name, "type",
                                             type_of(de->d_name), "content", encode(data, len)));
        OPENSSL_cleanse(data, len);
    }
    return files;
}

static json_t *result_of(const struct page_cert *c, const json_t *said)
{
    static const char *const paths[] = {
        "certificate_file", "key_file", "request_file", "pkcs12_file", "password_file"};
    json_t *result = said ? json_copy((json_t *)(uintptr_t)said) : json_object();
    json_object_del(result, "ok");
    if (c->action->makes_files) { /* where they lay is gone with them */
        for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
            json_object_del(result, paths[i]);
        json_object_set_new(result, "files", produced(c));
    }
    return result;
}

/* --- the command --- */

static const struct action *find_action(const char *name)
{
    for (size_t i = 0; name && i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(name, actions[i].name) == 0)
            return &actions[i];
    return NULL;
}

static int take_request(
    struct page_cert *c, const char *state_dir, const json_t *request, struct err *e)
{
    json_t *options = json_object_get(request, "options");
    c->action = find_action(json_get_str(request, "action"));
    if (!c->action)
        return err_set(e, EINVAL,
            "\"action\" must be show, fingerprint, init, self-signed, csr, install, check, back, renew, client, revoke, export or guide");
    if (options && !json_is_null(options) && !json_is_object(options))
        return err_set(e, EINVAL, "\"options\" must be an object");
    word(c, xstrdup("cert"));
    word(c, xstrdup(c->action->sub));
    if (c->action->flag)
        word(c, xstrdup(c->action->flag));
    int r = make_folder(state_dir, c, e);
    if (r == 0 && c->action->makes_files)
        word(c, c->action->out ? xasprintf("--out=%s/out/%s", c->folder, c->action->out)
                               : xasprintf("--out=%s/out", c->folder));
    return r == 0 ? take_options(c, options, e) : r;
}

static bool go_on(void *ctx)
{
    (void)ctx;
    return !run_stopped();
}

/* Runs the command; *said: its one line, NULL without one. Its exit code, or -errno. */
static int run_cert(
    const struct page_cert *c, const char *config_file, json_t **said, struct err *e)
{
    _cleanup_free_ char *program = process_beside("../cli/elexgate", ELEXGATE_BINDIR "/elexgate");
    const char *argv[WORDS_MAX + 6] = {program, "--json"};
    size_t n = 2;
    if (config_file) {
        argv[n++] = "--config";
        argv[n++] = config_file;
    }
    for (size_t i = 0; i < c->n; i++)
        argv[n++] = c->words[i];
    _cleanup_fd_ int out = memfd_create("said", MFD_CLOEXEC);
    if (out < 0)
        return err_sys(e, errno, "memfd");
    struct process p = {0};
    struct process_options o = {.argv = argv, .out = out, .err = PROCESS_OURS};
    int r = process_start(&o, &p, e);
    if (r != 0)
        return r;
    if (process_wait(&p, -1, go_on, NULL) != 0) {
        process_end(&p, END_MS);
        return err_set(e, ECANCELED, "cancelled");
    }
    (void)lseek(out, 0, SEEK_SET);
    *said = json_loadfd(out, JSON_DISABLE_EOF_CHECK, NULL);
    return WIFEXITED(p.status) ? WEXITSTATUS(p.status) : EXIT_FAILED;
}

int page_cert(const struct config *settings, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    const char *state_dir = config_str(settings, "backup", NULL, "state_dir");
    struct page_cert c = {.lock = -1};
    _cleanup_json_ json_t *said = NULL;
    int r = take_request(&c, state_dir, request, e);
    if (r == 0)
        r = run_cert(&c, config_file, &said, e);
    if (r == 0)
        *answer = json_pack("{s:b, s:o}", "ok", 1, "result", result_of(&c, said));
    page_cert_drop(&c);
    if (r > 0) {
        if (!json_get_str(said, "error"))
            err_set(e, EIO, N_("it ended without a word; see the log"));
        else
            (void)error_phrase_take_from(e, json_answer_errno(said), said, "error");
        if (!json_object_get(said, "code"))
            e->code = 0; /* the exit code says it */
        *answer = json_object();
        json_take(*answer, said, (const char *const[]){"field", NULL});
    }
    return r;
}
