#include "backup/job/doctor/doctor.h"

#include <string.h>
#include <sys/stat.h>
#include "backup/archive/store.h"
#include "backup/job/trial/scratch.h"
#include "common/error_phrase.h"

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
        CLEANUP(store_list_clear) struct store_list l = {0};
        if (!types[i] || store_read(r->s.folder, types[i], &r->trust, &l, NULL) < 0)
            continue;
        const struct store_item *it = doctor_newest(&l);
        if (it && it->manifest.content.bytes > most)
            most = it->manifest.content.bytes;
    }
    return most;
}

void doctor_scratch(struct doctor *d)
{
    const struct run *run = d->run;
    struct err e = {0};
    _cleanup_free_ char *folder = scratch_folder(run);
    _cleanup_fd_ int fd = scratch_folder_open(run, &e);
    enum doctor_finding how = fd < 0 ? DOCTOR_FOUND_BAD : DOCTOR_FOUND_WARNING;
    json_t *text;
    if (fd < 0 || scratch_has_room(run, largest(run), &e) != 0) {
        text = error_phrase_json(&e);
    } else if (opened_here(run) && on_the_medium(run, fd)) {
        text = phrase(
            "archives are encrypted, and what is unpacked to be tried out lies on their medium in clear: %s",
            folder);
    } else {
        how = DOCTOR_FOUND_GOOD;
        text = phrase("backups are unpacked in %s to be tried out", folder);
    }
    doctor_found(d, how, "scratch", text, phrase_of(N_(SCRATCH_FIX)));
}
