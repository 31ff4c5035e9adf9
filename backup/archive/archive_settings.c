/* [archive] and [retention] from the configuration. */
#include "backup/archive/archive_settings.h"

#include <errno.h>
#include <string.h>

#define PASSPHRASE_MIN 16

int archive_settings_load(const struct config *c, struct archive_settings *out, struct err *e)
{
    struct archive_settings s = {0};
    const char *const *recipients = config_list(c, "archive", NULL, "recipients");
    const char *passphrase_file = config_str(c, "archive", NULL, "passphrase_file");
    if (recipients[0] && passphrase_file)
        return err_set(e, EINVAL,
            "[archive] recipients and passphrase_file are both set; an age file has one or the other");
    if (passphrase_file) {
        int r = secret_read(passphrase_file, &s.passphrase, e);
        if (r < 0)
            return err_prefix(e, r, "[archive] passphrase_file");
        if (strlen(s.passphrase) < PASSPHRASE_MIN) {
            secret_free(s.passphrase);
            return err_set(e, ERANGE,
                "[archive] passphrase_file: a passphrase has at least %d characters, since whoever has an archive may guess for as long as he likes; better is a key pair: [archive] recipients",
                PASSPHRASE_MIN);
        }
    }
    s.pack = (struct pack_options){
        .folder = config_str(c, "archive", NULL, "folder"),
        .level = (int)config_int(c, "archive", NULL, "level"),
        .threads = (unsigned)config_int(c, "archive", NULL, "threads"),
        .rate = (uint64_t)config_int(c, "archive", NULL, "rate"),
        .recipients = recipients[0] ? recipients : NULL,
        .passphrase = s.passphrase,
    };
    s.retention = (struct retention_policy){
        .keep = (unsigned)config_int(c, "retention", NULL, "keep"),
        .daily = (unsigned)config_int(c, "retention", NULL, "keep_daily"),
        .weekly = (unsigned)config_int(c, "retention", NULL, "keep_weekly"),
        .monthly = (unsigned)config_int(c, "retention", NULL, "keep_monthly"),
        .yearly = (unsigned)config_int(c, "retention", NULL, "keep_yearly"),
    };
    s.identity_file = config_str(c, "archive", NULL, "identity_file");
    s.trust = config_list(c, "archive", NULL, "trust");
    *out = s;
    return 0;
}

void archive_settings_clear(struct archive_settings *s)
{
    if (s->passphrase)
        secret_free(s->passphrase);
    memset(s, 0, sizeof *s);
}
