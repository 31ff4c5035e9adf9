#include "console/settings.h"

#include <errno.h>

/* certificate and key come from one section: a pair is never put together from two. */
static int take_certificate(struct settings *s, struct err *e)
{
    const struct config *c = s->config;
    s->certificate = config_str(c, "console", NULL, "certificate");
    s->key = config_str(c, "console", NULL, "key");
    if (!s->certificate && !s->key) {
        s->certificate = config_str(c, "tls", NULL, "certificate");
        s->key = config_str(c, "tls", NULL, "key");
    }
    if (!s->certificate)
        return err_set(e, EINVAL,
            "the page needs a certificate: set [console] certificate and key, or those of [tls]");
    if (!s->key)
        s->key = s->certificate; /* one file may hold both */
    return 0;
}

int settings_load(const char *path, struct settings **out, struct err *e)
{
    struct settings *s = xcalloc(1, sizeof *s);
    int r = config_load(path, &s->config, e);
    if (r == 0)
        r = take_certificate(s, e);
    const char *token = r == 0 ? config_str(s->config, "console", NULL, "metrics_token_file")
                               : NULL;
    if (token)
        r = secret_read(token, &s->metrics_token, e);
    if (r < 0) {
        settings_free(s);
        return r;
    }
    const struct config *c = s->config;
    s->proxy_socket = config_str(c, "proxy", NULL, "control_socket");
    s->keeper_socket = config_str(c, "backup", NULL, "control_socket");
    s->state_dir = config_str(c, "console", NULL, "state_dir");
    s->upload_dir = config_str(c, "console", NULL, "upload_dir");
    s->addresses = config_list(c, "console", NULL, "address");
    s->port = (uint16_t)config_int(c, "console", NULL, "port");
    s->upload_max = config_int(c, "console", NULL, "upload_max");
    s->session_idle_ms = config_int(c, "console", NULL, "session_idle");
    s->session_max_ms = config_int(c, "console", NULL, "session_max");
    s->max_connections = (unsigned)config_int(c, "console", NULL, "max_connections");
    s->references = 1;
    *out = s;
    return 0;
}

void settings_free(struct settings *s)
{
    if (!s)
        return;
    secret_free(s->metrics_token);
    config_free(s->config);
    free(s);
}
