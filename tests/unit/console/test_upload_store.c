/*
 * Uploads: written in pieces, found again after a crash, whole or not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/json_get.h"
#include "console/http/upload_store.h"
#include "tests/unit/common/unit.h"

#define GB (1024LL * 1024 * 1024)

struct fixture {
    char *dir;
    struct upload_store *store;
    char id[UPLOAD_ID_LEN];
};

static void reopen(struct fixture *f)
{
    struct err e = {0};
    upload_store_close(f->store);
    if (upload_store_open(f->dir, 2 * GB, &f->store, &e) < 0)
        fail_msg("%s", e.text);
}

static int make(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    f->dir = unit_make_dir();
    reopen(f);
    *state = f;
    return 0;
}

static int clean(void **state)
{
    struct fixture *f = *state;
    upload_store_close(f->store);
    unit_remove_dir(f->dir);
    free(f);
    return 0;
}

static void create(struct fixture *f, int64_t size, const char *name)
{
    struct err e = {0};
    if (upload_store_create(f->store, size, name, "admin", f->id, &e) < 0)
        fail_msg("%s", e.text);
}

/* Appends in one go; returns what the first failing step returns. */
static int append(struct fixture *f, int64_t at, const char *text, int64_t *offset)
{
    struct err e = {0};
    struct upload_append *a = NULL;
    int r = upload_store_append_begin(f->store, f->id, at, &a, &e);
    if (r < 0)
        return r;
    r = upload_store_append_data(a, text, strlen(text), &e);
    int end = upload_store_append_end(a, offset, &e);
    return r < 0 ? r : end;
}

static int64_t offset_of(struct fixture *f)
{
    int64_t offset = -1, size = -1;
    struct err e = {0};
    if (upload_store_offset(f->store, f->id, &offset, &size, &e) < 0)
        fail_msg("%s", e.text);
    return offset;
}

static char *path_of(const struct fixture *f, const char *ending)
{
    return xasprintf("%s/%s%s", f->dir, f->id, ending);
}

static bool there(const struct fixture *f, const char *ending)
{
    _cleanup_free_ char *path = path_of(f, ending);
    return access(path, F_OK) == 0;
}

static void assert_whole(const struct fixture *f, const char *text)
{
    _cleanup_free_ char *path = path_of(f, ""), *got = NULL;
    size_t len = 0;
    struct stat st;
    assert_int_equal(file_read(path, 100000, &got, &len, NULL), 0);
    assert_string_equal(got, text);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void grows_piece_by_piece(void **state)
{
    struct fixture *f = *state;
    int64_t offset = -1;

    create(f, 10, "praxis.sql");
    assert_true(upload_id_valid(f->id));
    assert_int_equal(offset_of(f), 0);
    assert_int_equal(append(f, 0, "0123", &offset), 0);
    assert_int_equal(offset, 4);
    assert_false(there(f, "")); /* nobody can take half a file for a whole one */
    assert_true(there(f, ".part"));
    assert_int_equal(append(f, 4, "", &offset), 0);
    assert_int_equal(append(f, 3, "x", &offset), -ESTALE);
    assert_int_equal(append(f, 5, "x", &offset), -ESTALE);
    assert_int_equal(append(f, 4, "456789", &offset), 0);
    assert_int_equal(offset, 10);
    assert_whole(f, "0123456789");
    assert_false(there(f, ".part"));
    assert_int_equal(append(f, 10, "", &offset), 0);
    assert_int_equal(append(f, 10, "x", &offset), -EFBIG);
    assert_int_equal(append(f, 0, "x", &offset), -ESTALE);
    assert_whole(f, "0123456789");
}

static void takes_no_more_than_announced(void **state)
{
    struct fixture *f = *state;
    int64_t offset = -1;

    create(f, 4, "a");
    assert_int_equal(append(f, 0, "12345", &offset), -EFBIG);
    assert_int_equal(offset, 0);
    assert_int_equal(append(f, 0, "12", NULL), 0);
    assert_int_equal(append(f, 2, "345", NULL), -EFBIG);
    assert_int_equal(offset_of(f), 2);
}

static void one_append_at_a_time(void **state)
{
    struct fixture *f = *state;
    struct upload_append *a = NULL, *b = NULL;
    struct err e = {0};

    create(f, 10, "a");
    assert_int_equal(upload_store_append_begin(f->store, f->id, 0, &a, &e), 0);
    assert_int_equal(upload_store_append_begin(f->store, f->id, 0, &b, &e), -EBUSY);
    assert_int_equal(upload_store_remove(f->store, f->id, &e), -EBUSY);
    assert_int_equal(upload_store_expire(f->store, -GB), 0);
    assert_int_equal(upload_store_append_data(a, "abc", 3, &e), 0);
    assert_int_equal(upload_store_append_end(a, NULL, &e), 0);
    assert_int_equal(upload_store_remove(f->store, f->id, &e), 0);
    assert_int_equal(upload_store_remove(f->store, f->id, &e), -ENOENT);
    assert_false(there(f, ".part") || there(f, ".json") || there(f, ""));
}

/* What a crash leaves: bytes in the file that no offset has promised. */
static void cuts_off_what_was_not_promised(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *part = NULL;

    create(f, 8, "a");
    assert_int_equal(append(f, 0, "good", NULL), 0);
    part = path_of(f, ".part");
    int fd = open(part, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "torn!!!", 7), 7);
    close(fd);
    reopen(f);
    assert_int_equal(offset_of(f), 4);
    assert_int_equal(append(f, 4, "more", NULL), 0);
    assert_whole(f, "goodmore");
}

/* The offset is remembered at each 16 MiB even when the end never comes. */
static void remembers_on_the_way(void **state)
{
    struct fixture *f = *state;
    struct upload_append *a = NULL;
    struct err e = {0};
    static char block[1024 * 1024];

    create(f, 64 * 1024 * 1024, "a");
    assert_int_equal(upload_store_append_begin(f->store, f->id, 0, &a, &e), 0);
    for (int i = 0; i < 17; i++)
        assert_int_equal(upload_store_append_data(a, block, sizeof block, &e), 0);
    assert_int_equal(offset_of(f), 16 * 1024 * 1024);
    assert_int_equal(upload_store_append_end(a, NULL, &e), 0);
    assert_int_equal(offset_of(f), 17 * 1024 * 1024);
}

/* A crash between the last offset and the final name. */
static void publishes_after_a_crash(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *part = NULL, *whole = NULL;

    create(f, 4, "a");
    assert_int_equal(append(f, 0, "1234", NULL), 0);
    part = path_of(f, ".part");
    whole = path_of(f, "");
    assert_int_equal(rename(whole, part), 0);
    reopen(f);
    assert_whole(f, "1234");
}

static void foreign_ids_are_never_paths(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"", "a", "../../../etc/passwd",
        "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
        "0123456789ABCDEF0123456789ABCDEF", "0123456789abcdef/123456789abcdef",
        "0123456789abcdef0123456789abcdef"};
    int64_t a, b;
    struct upload_append *append_to = NULL;
    struct err e = {0};

    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(upload_id_valid(ids[i]), i == 7);
        assert_int_equal(upload_store_offset(f->store, ids[i], &a, &b, &e), -ENOENT);
        assert_int_equal(upload_store_append_begin(f->store, ids[i], 0, &append_to, &e), -ENOENT);
        assert_int_equal(upload_store_remove(f->store, ids[i], &e), -ENOENT);
    }
    assert_false(upload_id_valid(NULL));
}

static void never_follows_a_link(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *part = NULL;
    _cleanup_free_ char *victim = unit_write(f->dir, "victim", "safe", 4, 0600), *got = NULL;
    size_t len;

    create(f, 4, "a");
    part = path_of(f, ".part");
    unlink(part);
    assert_int_equal(symlink(victim, part), 0);
    assert_int_equal(append(f, 0, "1234", NULL), -ELOOP);
    assert_int_equal(file_read(victim, 100, &got, &len, NULL), 0);
    assert_string_equal(got, "safe");
}

static void names_are_only_shown(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sent, *kept;
    } table[] = {{"praxis.sql", "praxis.sql"}, {"C:\\Daten\\Übung.sql.gz", "Übung.sql.gz"},
        {"../../etc/passwd", "passwd"}, {"a\nb\x1b[31m", "ab[31m"},
        {"gpj.\xe2\x80\xaelqs", "gpj.lqs"}, {"dir/", "?"}, {"", "?"}};
    struct err e = {0};

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        create(f, 1, table[i].sent);
        json_t *all = upload_store_list(f->store, "admin");
        assert_int_equal(json_array_size(all), 1);
        assert_string_equal(json_get_str(json_array_get(all, 0), "name"), table[i].kept);
        json_decref(all);
        assert_int_equal(upload_store_remove(f->store, f->id, &e), 0);
    }
    char longest[UPLOAD_NAME_MAX + 2];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(upload_store_create(f->store, 1, longest, "a", f->id, &e), -EINVAL);
    assert_int_equal(upload_store_create(f->store, 1, "\xff", "a", f->id, &e), -EINVAL);
    assert_int_equal(upload_store_create(f->store, 1, NULL, "a", f->id, &e), -EINVAL);
}

static void sizes_have_bounds(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};
    struct upload_store *huge = NULL;

    assert_int_equal(upload_store_create(f->store, 0, "a", "a", f->id, &e), -EINVAL);
    assert_int_equal(upload_store_create(f->store, -1, "a", "a", f->id, &e), -EINVAL);
    assert_int_equal(upload_store_create(f->store, 2 * GB + 1, "a", "a", f->id, &e), -EFBIG);
    assert_says(&e, "upload_max");
    assert_int_equal(upload_store_open(f->dir, INT64_MAX, &huge, &e), 0);
    assert_int_equal(upload_store_create(huge, INT64_MAX, "a", "a", f->id, &e), -ENOSPC);
    upload_store_close(huge);
    for (int i = 0; i < UPLOAD_COUNT_MAX; i++)
        create(f, 1, "a");
    assert_int_equal(upload_store_create(f->store, 1, "a", "a", f->id, &e), -EDQUOT);
}

static void lists_by_owner(void **state)
{
    struct fixture *f = *state;
    struct err e = {0};

    create(f, 4, "first.sql");
    assert_int_equal(append(f, 0, "1234", NULL), 0);
    usleep(5000); /* "created" counts milliseconds */
    assert_int_equal(upload_store_create(f->store, 9, "second.sql", "other", f->id, &e), 0);
    free(unit_write(f->dir, "0123456789abcdef0123456789abcdef.json", "{broken", 7, 0600));
    json_t *all = upload_store_list(f->store, NULL), *own = upload_store_list(f->store, "admin");
    assert_int_equal(json_array_size(all), 2);
    json_t *newest = json_array_get(all, 0);
    assert_string_equal(json_get_str(newest, "name"), "second.sql");
    assert_true(json_is_false(json_object_get(newest, "complete")));
    assert_string_equal(json_get_str(newest, "id"), f->id);
    assert_int_equal(json_array_size(own), 1);
    assert_true(json_get_true(json_array_get(own, 0), "complete"));
    assert_int_equal(json_get_int(json_array_get(own, 0), "offset"), 4);
    json_decref(all);
    json_decref(own);
}

static void age(const char *path)
{
    struct timeval old[2] = {{1000000, 0}, {1000000, 0}};
    assert_int_equal(utimes(path, old), 0);
}

static void expires_what_is_old(void **state)
{
    struct fixture *f = *state;
    static const char *const endings[] = {".part", ".json"};
    char fresh[UPLOAD_ID_LEN];

    create(f, 4, "old.sql");
    for (int i = 0; i < 2; i++) {
        _cleanup_free_ char *path = path_of(f, endings[i]);
        age(path);
    }
    memcpy(fresh, f->id, sizeof fresh);
    create(f, 4, "new.sql");
    char *lost[] = {unit_write(f->dir, "0123456789abcdef0123456789abcdee.part", "x", 1, 0600),
        unit_write(f->dir, "0123456789abcdef0123456789abcded", "x", 1, 0600),
        unit_write(f->dir, ".0123456789abcdef0123456789abcdef.json.tmp-abcdef", "x", 1, 0600)};
    char *kept = unit_write(f->dir, "notes.txt", "x", 1, 0600);
    for (int i = 0; i < 3; i++)
        age(lost[i]);
    age(kept);
    assert_int_equal(upload_store_expire(f->store, 3600 * 1000), 4);
    assert_true(there(f, ".part") && there(f, ".json"));
    memcpy(f->id, fresh, sizeof fresh);
    assert_false(there(f, ".part") || there(f, ".json"));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(access(lost[i], F_OK), -1);
        free(lost[i]);
    }
    assert_int_equal(access(kept, F_OK), 0);
    free(kept);
    assert_int_equal(upload_store_expire(f->store, 3600 * 1000), 0);
}

struct race {
    struct fixture *f;
    atomic_int begun, busy, other;
};

/* Many requests for the same piece, as impatient browsers send them. */
static void *racer(void *arg)
{
    struct race *race = arg;
    struct upload_append *a = NULL;
    int r = upload_store_append_begin(race->f->store, race->f->id, 0, &a, NULL);

    if (r == 0 && upload_store_append_data(a, "12345678", 8, NULL) == 0 &&
        upload_store_append_end(a, NULL, NULL) == 0)
        race->begun++;
    else if (r == -EBUSY || r == -ESTALE)
        race->busy++;
    else
        race->other++;
    return NULL;
}

static void a_race_has_one_winner(void **state)
{
    struct fixture *f = *state;

    for (int round = 0; round < 20; round++) {
        struct race race = {.f = f};
        pthread_t threads[8];
        create(f, 8, "a");
        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, racer, &race), 0);
        for (int i = 0; i < 8; i++)
            pthread_join(threads[i], NULL);
        assert_int_equal(race.begun, 1);
        assert_int_equal(race.busy, 7);
        assert_whole(f, "12345678");
    }
}

static void damaged_descriptions(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {"", "{}", "[1]", "{\"size\":\"x\",\"offset\":0}", "\xff"};
    struct err e = {0};
    int64_t a, b;

    create(f, 4, "a");
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        _cleanup_free_ char *name = xasprintf("%s.json", f->id);
        free(unit_write(f->dir, name, texts[i], strlen(texts[i]), 0600));
        assert_int_equal(upload_store_offset(f->store, f->id, &a, &b, &e), -EBADMSG);
    }
    assert_int_equal(upload_store_remove(f->store, f->id, &e), 0);
    assert_false(there(f, ".part"));
}

#define UPLOAD_TEST(name) cmocka_unit_test_setup_teardown(name, make, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UPLOAD_TEST(grows_piece_by_piece),
        UPLOAD_TEST(takes_no_more_than_announced),
        UPLOAD_TEST(one_append_at_a_time),
        UPLOAD_TEST(cuts_off_what_was_not_promised),
        UPLOAD_TEST(remembers_on_the_way),
        UPLOAD_TEST(publishes_after_a_crash),
        UPLOAD_TEST(foreign_ids_are_never_paths),
        UPLOAD_TEST(never_follows_a_link),
        UPLOAD_TEST(names_are_only_shown),
        UPLOAD_TEST(sizes_have_bounds),
        UPLOAD_TEST(lists_by_owner),
        UPLOAD_TEST(expires_what_is_old),
        UPLOAD_TEST(a_race_has_one_winner),
        UPLOAD_TEST(damaged_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
