/* What a restore notes, so that one that was killed can be settled: all of it comes back, at each
 * phase; half of it is an error; a full disk does not keep it from being written. */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "backup/job/restore/restore.h"
#include "common/file.h"

static char *dir;
static struct run run;
static int full; /* a disk without room, until the spare file is gone */

int __wrap_file_publish(const char *path, const void *data, size_t len, mode_t mode, struct err *e);
int __real_file_publish(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

int __wrap_file_publish(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
    char spare[200];
    snprintf(spare, sizeof spare, "%s.spare", path);
    if (full && access(spare, F_OK) == 0)
        return err_set(e, full, "no room");
    return __real_file_publish(path, data, len, mode, e);
}

static int setup(void **state)
{
    (void)state;
    dir = unit_make_dir();
    run = (struct run){.clients_out = true};
    run.s.state_dir = dir;
    full = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_remove_dir(dir);
    return 0;
}

static void add_part(struct restore *r, const char *type, bool database)
{
    struct restore_part *p = &r->parts[r->n++];
    snprintf(p->type, sizeof p->type, "%s", type);
    p->database = database;
    p->live = xasprintf("/srv/%s", type);
    p->root = xasprintf("/srv/.elexgate-restore-%s", type);
    p->swap.entries = xcalloc(2, sizeof *p->swap.entries);
    p->swap.n = 2;
    p->swap.entries[0] = (struct swap_entry){xstrdup("ibdata1"), 11, 12};
    p->swap.entries[1] = (struct swap_entry){xstrdup("neu"), 0, 4711};
}

static void fill(struct restore *r)
{
    restore_init(r, &run);
    snprintf(r->suffix, sizeof r->suffix, "2026-11-30-2200");
    add_part(r, "documents", false);
    add_part(r, "elexisdb", true);
    r->addresses = json_pack("[s]", "192.168.1.7");
    r->broken[0] = json_pack("{s:s}", "a.b", "crashed");
    r->broken[1] = json_pack("{s:s}", "c.d", "gone");
    r->beside = json_pack("{s:s}", "database", "elexis");
    snprintf(r->server[0], RESTORE_VERSION_LEN, "10.11.6-MariaDB");
    snprintf(r->server[1], RESTORE_VERSION_LEN, "11.8.3-MariaDB");
}

static char *spare_of(const struct restore *r)
{
    return xasprintf("%s.spare", r->journal);
}

static void test_all_comes_back(void **state)
{
    (void)state;
    static const enum restore_before before[] = {RESTORE_ANSWERED, RESTORE_RAN, RESTORE_DEAD};
    for (int phase = 0; phase < RESTORE_PHASES; phase++) {
        struct restore r, got;
        struct err e = {0};
        fill(&r);
        r.parts[0].database = phase % 2; /* it may be any of them */
        r.parts[1].database = !(phase % 2);
        /* one of the flags differs from all others each time */
        r.new_live = phase == 0;
        r.target_new = phase == 1;
        r.again = phase == 2;
        r.clients_out = phase == 3;
        r.made_live = phase == 4;
        r.before = before[phase % 3];
        assert_int_equal(restore_journal_save(&r, (enum restore_phase)phase, &e), 0);
        assert_int_equal(r.phase, phase);
        run.clients_out = phase != 3; /* of the run that it began in, not of this one */
        restore_init(&got, &run);
        assert_int_equal(restore_journal_load(&got, &e), 0);
        assert_int_equal(got.phase, phase);
        assert_int_equal(got.new_live, phase == 0);
        assert_int_equal(got.target_new, phase == 1);
        assert_int_equal(got.again, phase == 2);
        assert_int_equal(got.clients_out, phase == 3);
        assert_int_equal(got.made_live, phase == 4);
        assert_int_equal(got.before, before[phase % 3]);
        assert_true(got.started_ms == r.started_ms && got.started_ms > 0);
        assert_string_equal(got.suffix, "2026-11-30-2200");
        assert_int_equal(got.n, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_string_equal(got.parts[i].type, r.parts[i].type);
            assert_int_equal(got.parts[i].database, r.parts[i].database);
            assert_string_equal(got.parts[i].live, r.parts[i].live);
            assert_string_equal(got.parts[i].root, r.parts[i].root);
            assert_int_equal(got.parts[i].swap.n, 2);
            assert_string_equal(got.parts[i].swap.entries[1].name, "neu");
            assert_int_equal(got.parts[i].swap.entries[0].old_ino, 11);
            assert_int_equal(got.parts[i].swap.entries[1].new_ino, 4711);
        }
        assert_ptr_equal(restore_database(&got), &got.parts[phase % 2 ? 0 : 1]);
        assert_true(json_equal(got.addresses, r.addresses) && json_equal(got.beside, r.beside));
        assert_true(
            json_equal(got.broken[0], r.broken[0]) && json_equal(got.broken[1], r.broken[1]));
        assert_string_equal(got.server[0], "10.11.6-MariaDB");
        assert_string_equal(got.server[1], "11.8.3-MariaDB");
        struct stat st;
        assert_int_equal(stat(got.journal, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        restore_journal_clear(&r);
        restore_journal_clear(&got);
    }
}

static void test_what_was_not_known_stays_so(void **state)
{
    (void)state;
    struct restore r, got;
    struct err e = {0};
    restore_init(&r, &run);
    assert_true(r.clients_out);
    assert_int_equal(restore_journal_load(&r, &e), 1);
    assert_int_equal(restore_journal_save(&r, RESTORE_BLOCKED, &e), 0);
    restore_init(&got, &run);
    assert_int_equal(restore_journal_load(&got, &e), 0);
    assert_true(!got.beside && !got.broken[0] && !got.broken[1] && got.n == 0);
    assert_string_equal(got.server[0], "");
    assert_null(restore_database(&got));
    got.parts[0].database = true; /* what lies behind the last one is none */
    assert_null(restore_database(&got));
    restore_journal_clear(&got);
    /* numbers of a later version are those of a server that answered: then it must answer again */
    free(unit_write(dir, "restore.json",
        "{\"phase\":\"kept\",\"run\":\"r\",\"started_ms\":1,\"new_live\":true,\"target_new\":true,\"again\":false,\"parts\":[],\"before\":7,\"broken_old\":null,\"beside\":[1]}",
        strlen(
            "{\"phase\":\"kept\",\"run\":\"r\",\"started_ms\":1,\"new_live\":true,\"target_new\":true,\"again\":false,\"parts\":[],\"before\":7,\"broken_old\":null,\"beside\":[1]}"),
        0600));
    restore_init(&got, &run);
    assert_int_equal(restore_journal_load(&got, &e), 0);
    assert_true(got.before == RESTORE_ANSWERED && !got.broken[0] && !got.beside);
    restore_journal_clear(&got);
    assert_int_equal(restore_journal_remove(&r, &e), 0);
    assert_int_equal(restore_journal_load(&r, &e), 1);
    assert_int_equal(restore_journal_remove(&r, &e), 0); /* again is no error */
    restore_journal_clear(&r);
}

static void is_damaged(const char *text)
{
    struct restore r;
    struct err e = {0};
    free(unit_write(dir, "restore.json", text, strlen(text), 0600));
    restore_init(&r, &run);
    assert_int_equal(restore_journal_load(&r, &e), -EINVAL);
    assert_says(&e, "damaged");
    assert_says(&e, r.journal);
    restore_journal_clear(&r);
}

#define HEAD(phase)                                                                                \
    "{\"phase\":\"" phase                                                                          \
    "\",\"run\":\"r\",\"started_ms\":1,\"new_live\":true,\"target_new\":true,\"again\":false"

static void test_half_of_it_is_an_error(void **state)
{
    (void)state;
    struct restore r;
    struct err e = {0};
    is_damaged("");
    is_damaged("[]");
    is_damaged(HEAD("kept") "}");
    is_damaged(HEAD("later") ",\"parts\":[]}");
    is_damaged(HEAD(
        "kept") ",\"parts\":[{\"type\":\"t\",\"database\":true,\"live\":\"/l\",\"entries\":[]}]}");
    is_damaged(HEAD(
        "kept") ",\"parts\":[{\"type\":\"t\",\"live\":\"/l\",\"root\":\"/r\",\"entries\":[]}]}");
    /* as many parts as there is room for, and one more */
    for (int n = RESTORE_PARTS_MAX; n <= RESTORE_PARTS_MAX + 1; n++) {
        char *text = xstrdup(HEAD("kept") ",\"parts\":[");
        for (int i = 0; i < n; i++) {
            char *longer = xasprintf(
                "%s%s{\"type\":\"t%d\",\"database\":false,\"live\":\"/l\",\"root\":\"/r\",\"entries\":[]}",
                text, i ? "," : "", i);
            free(text);
            text = longer;
        }
        char *whole = xasprintf("%s]}", text);
        if (n > RESTORE_PARTS_MAX)
            is_damaged(whole);
        else {
            free(unit_write(dir, "restore.json", whole, strlen(whole), 0600));
            restore_init(&r, &run);
            assert_int_equal(restore_journal_load(&r, &e), 0);
            assert_int_equal(r.n, RESTORE_PARTS_MAX);
            restore_journal_clear(&r);
        }
        free(text);
        free(whole);
    }
}

static void test_a_full_disk(void **state)
{
    (void)state;
    static const int codes[] = {ENOSPC, EDQUOT};
    struct stat st;
    struct err e = {0};
    for (size_t i = 0; i < 2; i++)
        for (int phase = RESTORE_STAGING; phase <= RESTORE_BLOCKED; phase++) {
            struct restore r;
            full = 0;
            fill(&r);
            char *spare = spare_of(&r);
            /* room is kept from either on, and given up when it is needed */
            assert_int_equal(restore_journal_save(&r, (enum restore_phase)phase, &e), 0);
            assert_int_equal(stat(spare, &st), 0);
            assert_int_equal(st.st_size, 1 << 20);
            full = codes[i];
            assert_int_equal(restore_journal_save(&r, RESTORE_SWAPPING, &e), 0);
            assert_int_equal(r.phase, RESTORE_SWAPPING);
            assert_int_equal(access(spare, F_OK), -1);
            free(spare);
            restore_journal_clear(&r);
        }
    /* another error is one, and the phase is what is on the disk */
    struct restore r;
    full = 0;
    fill(&r);
    assert_int_equal(restore_journal_save(&r, RESTORE_BLOCKED, &e), 0);
    full = EIO;
    assert_int_equal(restore_journal_save(&r, RESTORE_SWAPPING, &e), -EIO);
    assert_int_equal(r.phase, RESTORE_BLOCKED);
    full = 0;
    /* once it is done, or gone, so is the room */
    char *spare = spare_of(&r);
    assert_int_equal(access(spare, F_OK), 0);
    assert_int_equal(restore_journal_save(&r, RESTORE_KEPT, &e), 0);
    assert_int_equal(access(spare, F_OK), -1);
    assert_int_equal(restore_journal_save(&r, RESTORE_STAGING, &e), 0);
    assert_int_equal(restore_journal_remove(&r, &e), 0);
    assert_int_equal(access(spare, F_OK), -1);
    free(spare);
    restore_journal_clear(&r);
}

static void test_a_journal_that_cannot_be_removed_is_an_error(void **state)
{
    (void)state;
    struct restore r;
    struct err e = {0};
    restore_init(&r, &run);
    assert_int_equal(mkdir(r.journal, 0700), 0);
    assert_true(restore_journal_remove(&r, &e) < 0);
    assert_says(&e, r.journal);
    restore_journal_clear(&r);
}

/* live may be reached through a link; what lies in staging may not be one. */
static void test_the_folders_of_a_part(void **state)
{
    (void)state;
    struct err e = {0};
    struct swap_folders f;
    static const char *const names[] = {"data", "root", "root/new", "root/old"};
    for (size_t i = 0; i < 4; i++) {
        char *path = xasprintf("%s/%s", dir, names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
        free(path);
    }
    struct restore_part p = {.live = xasprintf("%s/link", dir), .root = xasprintf("%s/root", dir)};
    char *fresh = xasprintf("%s/new", p.root), *old = xasprintf("%s/old", p.root);
    assert_int_equal(symlink("data", p.live), 0);
    assert_int_equal(restore_open_folders(&p, &f, &e), 0);
    struct stat a, b;
    assert_true(fstat(f.fresh, &a) == 0 && stat(fresh, &b) == 0 && a.st_ino == b.st_ino);
    assert_true(fstat(f.old, &a) == 0 && stat(old, &b) == 0 && a.st_ino == b.st_ino);
    struct swap_folders were = f;
    restore_close_folders(&f);
    assert_int_equal(fcntl(were.live, F_GETFD), -1);
    assert_int_equal(fcntl(were.fresh, F_GETFD), -1);
    assert_int_equal(fcntl(were.old, F_GETFD), -1);
    assert_true(f.live == -1 && f.fresh == -1 && f.old == -1);
    assert_int_equal(rmdir(old), 0);
    assert_int_equal(symlink("new", old), 0);
    assert_true(restore_open_folders(&p, &f, &e) < 0);
    assert_says(&e, old);
    assert_true(f.live == -1 && f.fresh == -1 && f.old == -1);
    free(fresh);
    free(old);
    free(p.live);
    free(p.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_not_known_stays_so, setup, teardown),
        cmocka_unit_test_setup_teardown(test_half_of_it_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_a_journal_that_cannot_be_removed_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_folders_of_a_part, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
