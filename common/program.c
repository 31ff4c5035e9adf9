#include "common/program.h"

#include <errno.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include "common/call_filter.h"
#include "common/exit_codes.h"
#include "common/lang.h"
#include "common/log.h"
#include "common/log_line.h"
#include "common/private_memory.h"

static const struct program_option *find_option(
    const struct program_option *o, const char *word, size_t len)
{
    for (; o && o->name; o++)
        if (strlen(o->name) == len && strncmp(o->name, word, len) == 0)
            return o;
    return NULL;
}

static int mistaken(const struct program *p, const char *what, const char *word)
{
    fprintf(stderr, "%s: %s \"%s\"\n\n%s", p->name, what, word, p->usage);
    return EXIT_USAGE;
}

/* -1: taken. */
static int take_option(const struct program *p, int argc, char **argv, int *i)
{
    const struct program_option common[] = {
        {"--config", .value = p->config_path}, {"-c", .value = p->config_path}, {0}};
    const char *word = argv[*i], *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
    size_t len = equals ? (size_t)(equals - word) : strlen(word);
    const struct program_option *o = find_option(common, word, len);
    if (!o)
        o = find_option(p->options, word, len);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return fputs(p->usage, stdout) >= 0 ? EXIT_GOOD : EXIT_FAILED;
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        return printf("%s " ELEXGATE_VERSION "\n", p->name) > 0 ? EXIT_GOOD : EXIT_FAILED;
    if (!o || (o->flag && equals))
        return mistaken(p, N_("there is no option"), word);
    if (o->value && !equals && *i + 1 >= argc)
        return mistaken(p, N_("a value is missing after"), word);
    if (o->flag)
        *o->flag = true;
    else
        *o->value = equals ? equals + 1 : argv[++*i];
    return -1;
}

int program_begin(const struct program *p, int argc, char **argv)
{
    private_memory_begin();
    signal(SIGPIPE, SIG_IGN);
    log_init(p->name, LOG_LOGFMT, LOG_INFO);
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        int code = take_option(p, argc, argv, &i);
        if (code >= 0)
            return code;
    }
    if (p->operands)
        *p->operands = i;
    else if (i < argc)
        return mistaken(p, "unexpected argument", argv[i]);
    return -1;
}

static void warn_of_retired(const struct config *c)
{
    const struct err *w;
    for (size_t i = 0; (w = config_warning(c, i)); i++)
        log_event(LOG_WARNING, "retired-option", LOG_S("text", w->text));
}

void program_log(const char *name, const struct config *c)
{
    enum log_level level = LOG_INFO;
    (void)log_level_parse(config_str(c, "log", NULL, "level"), &level);
    log_init(name,
        strcmp(config_str(c, "log", NULL, "format"), "json") == 0 ? LOG_JSON : LOG_LOGFMT, level);
    warn_of_retired(c);
}

void program_log_level(const struct config *c)
{
    enum log_level level;
    if (log_level_parse(config_str(c, "log", NULL, "level"), &level))
        log_set_level(level);
    warn_of_retired(c);
}

void program_shut(bool starts_programs)
{
    if (call_filter_serve(starts_programs) < 0)
        log_event(LOG_WARNING, "no-call-filter", LOG_S("error", strerror(errno)));
}

void program_raise_open_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
        l.rlim_cur = l.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &l);
    }
}
