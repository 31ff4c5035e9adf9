/*
 * A password that somebody typed on the page, sealed there (people/sealed.h): it is opened,
 * compared with a hash or made one of, and forgotten. So the keeper, which asks, never sees it.
 */
#include "backup/job/page.h"

#include <errno.h>
#include <string.h>
#include "common/json_get.h"
#include "common/json_lines.h"
#include "people/password.h"
#include "people/sealed.h"

/* What did not open is "": it fits nothing, and is none to take. */
static int judge(const char *password, const char *hash, json_t **answer, struct err *e)
{
    char made[PASSWORD_HASH_LEN];
    size_t len = strlen(password);
    if (*hash) {
        *answer = json_pack("{s:b, s:b}", "ok", 1, "fits", password_fits(hash, password));
        return 0;
    }
    if (len < PASSWORD_MIN || len > PASSWORD_MAX) {
        *answer = json_error(
            ERANGE, "a password has %d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
        return 0;
    }
    int r = password_hash(password, made, e);
    if (r == 0)
        *answer = json_pack("{s:b, s:s}", "ok", 1, "hash", made);
    return r;
}

int page_password(const struct config *c, const char *config_file, const json_t *request,
    json_t **answer, struct err *e)
{
    char password[SEALED_SIZE] = "";
    struct err ours = {0};
    _cleanup_free_ char *key = sealed_key_within(config_str(c, "backup", NULL, "state_dir"));
    (void)config_file;
    int r = sealed_open(key, json_get_text(request, "sealed"), password, &ours);
    if (r < 0 && r != -EBADMSG)
        return err_set(e, EIO, "%s", ours.text); /* not EACCES, which says that it was wrong */
    r = judge(password, json_get_text(request, "hash"), answer, e);
    explicit_bzero(password, sizeof password);
    return r;
}
