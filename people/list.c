#include "people/list.h"

#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/json_get.h"
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

static bool good_list(const json_t *list)
{
    size_t i;
    const json_t *person;
    bool good = json_is_array(list) && json_array_size(list) <= PEOPLE_MAX;
    json_array_foreach (list, i, person)
        good = good && *json_get_text(person, "name") && *json_get_text(person, "hash") &&
               strlen(json_get_text(person, "hash")) < PASSWORD_HASH_LEN &&
               people_role_good(json_get_text(person, "role"));
    return good;
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
    if (r == 0 && !good_list(list))
        r = err_set(e, EBADMSG,
            "%s is damaged; put a good one in its place, or remove it: then the next account that signs in on the page counts as the first one",
            path);
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
    return file_publish(path, file, strlen(file), 0600, e);
}
