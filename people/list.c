#include "people/list.h"

#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/json_get.h"
#include "common/utf8.h"
#include "people/password.h"

bool people_role_good(const char *role)
{
    return strcmp(role, "admin") == 0 || strcmp(role, "viewer") == 0;
}

json_t *people_find(const json_t *list, const char *name, size_t *index)
{
    size_t i;
    json_t *person;
    json_array_foreach (list, i, person)
        if (strcmp(json_get_text(person, "name"), name) == 0) {
            if (index)
                *index = i;
            return person;
        }
    return NULL;
}

/* What is written is what can be read. */
static int check_list(const json_t *list, struct err *e)
{
    size_t i;
    const json_t *person;
    if (!json_is_array(list) || json_array_size(list) > PEOPLE_MAX)
        return err_set(e, EBADMSG, "it is no list of at most %d accounts", PEOPLE_MAX);
    json_array_foreach (list, i, person) {
        const char *name = json_get_text(person, "name"), *hash = json_get_text(person, "hash");
        if (!*name || !*hash || strlen(hash) >= PASSWORD_HASH_LEN ||
            !people_role_good(json_get_text(person, "role")))
            return err_set(e, EBADMSG, "the name, the role or the hash of its account %zu (%s)",
                i + 1, UTF8_SHORT(name, 40));
    }
    return 0;
}

int people_read(const char *state_dir, json_t **out, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/" PEOPLE_FILE, state_dir), *file = NULL;
    size_t len;
    int r = file_read(path, PEOPLE_SIZE_MAX, &file, &len, e);
    if (r == -ENOENT) {
        *out = json_array();
        return 0;
    }
    if (r == 0)
        r = file_check_private(path, e);
    _cleanup_json_ json_t *all = r == 0 ? json_loadb(file, len, JSON_REJECT_DUPLICATES, NULL)
                                        : NULL;
    json_t *list = json_object_get(all, "people");
    struct err why = {0};
    if (r == 0 && check_list(list, &why) < 0)
        r = err_set(e, EBADMSG,
            "%s is damaged: %s; mend it with an editor, and leave an admin in it: without the file, whoever signs in first would be one",
            path, err_words(&why));
    if (r == 0)
        *out = json_incref(list);
    return r;
}

int people_write(const char *state_dir, json_t *list, struct err *e)
{
    _cleanup_free_ char *path = xasprintf("%s/" PEOPLE_FILE, state_dir);
    _cleanup_json_ json_t *all = json_pack("{sO}", "people", list);
    _cleanup_free_ char *file = json_dumps(all, JSON_INDENT(1));
    CHECK(file);
    struct err why = {0};
    if (check_list(list, &why) < 0)
        return err_set(
            e, EINVAL, "%s is left as it is, it would be damaged: %s", path, err_words(&why));
    return file_publish(path, file, strlen(file), 0600, e);
}
