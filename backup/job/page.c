#include "backup/job/page.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "backup/job/run.h"
#include "common/audit_read.h"
#include "common/json_get.h"
#include "common/json_lines.h"

static int page_audit(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    const char *path = config_str(c, "audit", NULL, "file");
    (void)config_file, (void)e;
    *answer = audit_read_answer(path && strcmp(path, "off") != 0 ? path : NULL, request);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct config *c, const char *config_file, const json_t *request,
        json_t **answer, struct err *e);
} commands[] = {{"page-cert", page_cert}, {"page-config", page_config}, {"page-audit", page_audit},
    {"page-password", page_password}, {"page-account", page_account},
    {"page-retention", page_retention}};

bool page_command_known(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            return true;
    return false;
}

/* At most what a line of the control protocol can hold. */
static json_t *read_request(void)
{
    static char text[JSON_LINE_MAX];
    size_t len = 0;
    ssize_t n;
    while (len < JSON_LINE_MAX && (n = read(STDIN_FILENO, text + len, JSON_LINE_MAX - len)) > 0)
        len += (size_t)n;
    json_t *request = len < JSON_LINE_MAX ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL)
                                          : NULL;
    explicit_bzero(text, len); /* a key or a passphrase may be in it */
    return request;
}

int page_command_run(
    const struct config *c, const char *config_file, const char *name, json_t **told, struct err *e)
{
    json_t *answer = NULL;
    _cleanup_json_ json_t *request = read_request();
    int r = json_is_object(request) ? 0 : err_set(e, EINVAL, "%s: no request came", name);
    for (size_t i = 0; r == 0 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(name, commands[i].name) == 0)
            r = commands[i].run(c, config_file, request, &answer, e);
    if (r == 0 && answer)
        run_event(json_pack("{s:s, s:o}", "event", "answer", "answer", answer));
    else
        *told = answer;
    return r;
}
