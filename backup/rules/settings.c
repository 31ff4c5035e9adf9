#include "backup/rules/settings.h"

#include <errno.h>
#include <string.h>
#include "backup/rules/archive_name.h"
#include "common/utf8.h"

static int check_type(const char *type, const char *where, struct err *e)
{
    if (archive_type_valid(type))
        return 0;
    return err_set(e, EINVAL,
        "%s: \"%s\" cannot be the first part of a file name; letters, digits, - and _ are allowed, at most %d",
        where, UTF8_SHORT(type, 60), ARCHIVE_TYPE_MAX);
}

static int check_types(const struct backup_settings *s, struct err *e)
{
    int r = check_type(s->physical_type, "[backup] type", e);
    if (r == 0 && strcmp(s->physical_type, s->dump_type) == 0)
        r = err_set(e, EINVAL, "[backup] type: \"%s\" is that of dumps", s->physical_type);
    const char *name;
    for (size_t i = 0; r == 0 && (name = config_section(s->config, "data", i)); i++) {
        r = check_type(name, "[data NAME]", e);
        if (r == 0 && (strcmp(name, s->physical_type) == 0 || strcmp(name, s->dump_type) == 0))
            r = err_set(e, EINVAL, "[data %s] has the name of the database's own type", name);
        if (r == 0 && !config_str(s->config, "data", name, "path"))
            r = err_set(e, EINVAL, "[data %s] says no path", name);
    }
    return r;
}

int backup_settings_of(const struct config *c, struct backup_settings *out, struct err *e)
{
    struct backup_settings s = {.config = c};
    const char *socket = config_str(c, "admin", NULL, "socket");
    s.target = (struct server_target){
        .host = config_str(c, "database", NULL, "host"),
        .port = (unsigned)config_int(c, "database", NULL, "port"),
        .socket = socket ? socket : config_str(c, "database", NULL, "socket"),
        .user = config_str(c, "admin", NULL, "user"),
        .connect_timeout_ms = (unsigned)config_int(c, "database", NULL, "connect_timeout"),
    };
    if (config_bool(c, "backup", NULL, "ask_proxy"))
        s.proxy_socket = config_str(c, "proxy", NULL, "control_socket");
    s.folder = config_str(c, "archive", NULL, "folder");
    s.state_dir = config_str(c, "backup", NULL, "state_dir");
    s.journal = xasprintf("%s/" STATE_SERVER_SETTINGS, s.state_dir);
    s.run_lock = xasprintf("%s/" STATE_RUN_LOCK, s.state_dir);
    const char *method = config_str(c, "backup", NULL, "method");
    s.physical = strcmp(method, "dump") != 0;
    s.dump = strcmp(method, "physical") != 0;
    s.physical_type = config_str(c, "backup", NULL, "type");
    s.dump_type = DUMP_TYPE;
    int r = check_types(&s, e);
    if (r < 0) {
        backup_settings_clear(&s);
        return r;
    }
    *out = s;
    return 0;
}

int backup_settings_load(const struct config *c, struct backup_settings *out, struct err *e)
{
    struct backup_settings s;
    char *password = NULL;
    const char *file = config_str(c, "admin", NULL, "password_file");
    int r = file ? secret_read(file, &password, e) : 0;
    if (r < 0)
        return err_prefix(e, r, "[admin] password_file");
    r = backup_settings_of(c, &s, e);
    if (r < 0) {
        secret_free(password);
        return r;
    }
    s.password = password;
    s.target.password = password;
    *out = s;
    return 0;
}

void backup_settings_clear(struct backup_settings *s)
{
    if (s->password)
        secret_free(s->password);
    free(s->journal);
    free(s->run_lock);
    memset(s, 0, sizeof *s);
}

const char *backup_schedule_text(const char *text)
{
    static const char *const words[] = {"@hourly", "@daily", "@weekly", "@monthly", "@yearly"};
    for (size_t i = 0; text && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(text, words[i] + 1) == 0)
            return words[i];
    return text && strcmp(text, "never") == 0 ? "" : text;
}

int backup_schedule_load(
    const struct config *c, const char *section, bool *has, struct cron *out, struct err *e)
{
    const char *text = backup_schedule_text(config_str(c, section, NULL, "schedule"));
    *has = text && *text;
    int r = *has ? cron_parse(text, out, e) : 0;
    return r < 0 ? err_prefix(e, r, "[%s] schedule", section) : 0;
}

int backup_settings_check(const struct config *c, struct err *e)
{
    struct backup_settings s;
    struct cron cron;
    bool has;
    int r = backup_settings_load(c, &s, e);
    if (r == 0)
        backup_settings_clear(&s);
    if (r == 0)
        r = backup_schedule_load(c, "backup", &has, &cron, e);
    return r == 0 ? backup_schedule_load(c, "drill", &has, &cron, e) : r;
}
