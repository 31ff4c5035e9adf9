#include "backup/job/doctor/doctor_scratch.h"

#include <string.h>
#include <sys/stat.h>
#include "backup/archive/store.h"
#include "backup/job/trial/scratch.h"
#include "common/error_phrase.h"

/* level NULL: nothing can be tried out. With text, or what went wrong. */
static void tell(const char *level, const struct err *e, json_t *text, const char *fix)
{
    json_t *event = json_pack("{s:s, s:s, s:b, s:s*}", "event", "check", "name", "scratch", "good",
        level && strcmp(level, "ok") == 0, "level", level);
    json_t *said = json_object();
    error_phrase_put(said, e);
    if (text)
        phrase_put(event, "text", text);
    else
        phrase_copy(event, "text", said, "error");
    phrase_put(event, "fix", phrase_of(fix));
    json_decref(said);
    run_event(event);
}

/* Archives can be opened here at all. */
static bool opened_here(const struct run *r)
{
    return r->a.pack.passphrase || (r->a.pack.recipients && r->a.identity_file);
}

/* What lay on a disk can be found there after it was removed. The state folder says which disk is
 * the server's own. */
static bool on_the_medium(const struct run *r, int folder)
{
    struct stat here, medium, own;
    return fstat(folder, &here) == 0 && stat(r->s.folder, &medium) == 0 &&
           here.st_dev == medium.st_dev &&
           (stat(r->s.state_dir, &own) < 0 || here.st_dev != own.st_dev);
}

/* Of the newest of each kind that a server is started on. */
static uint64_t largest(const struct run *r)
{
    const char *types[] = {
        r->s.physical ? r->s.physical_type : NULL, r->s.dump ? r->s.dump_type : NULL};
    uint64_t most = 0;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct store_list l;
        if (!types[i] || store_read(r->s.folder, types[i], &r->trust, &l, NULL) < 0)
            continue;
        for (size_t k = 0; k < l.count; k++) {
            const struct store_item *it = &l.items[k];
            if (!it->complete || !standing_ours(it->standing))
                continue;
            uint64_t bytes = it->manifest.content.bytes;
            most = bytes > most ? bytes : most;
            break;
        }
        store_list_clear(&l);
    }
    return most;
}

bool doctor_scratch(const struct run *run)
{
    static const char own[] = SCRATCH_FIX;
    struct err e = {0};
    _cleanup_free_ char *folder = scratch_folder(run);
    _cleanup_fd_ int fd = scratch_folder_open(run, &e);
    if (fd < 0)
        tell(NULL, &e, NULL, own);
    else if (scratch_has_room(run, fd, largest(run), &e) != 0)
        tell("warning", &e, NULL, own);
    else if (opened_here(run) && on_the_medium(run, fd))
        tell("warning", &e,
            phrase(
                "archives are encrypted, and what is unpacked to be tried out lies on their medium in clear: %s",
                folder),
            own);
    else
        tell("ok", &e, phrase("backups are unpacked in %s to be tried out", folder), NULL);
    return fd >= 0;
}
