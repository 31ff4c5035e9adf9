/*
 * The ledger: what this installation itself knows of its backups, in the state folder, where nobody
 * who can merely write to the backup medium reaches. One JSON object a line, only ever appended,
 * each on the disk before the act that it stands for counts:
 *
 *   begin    a run has taken its number and its suffix
 *   made     an archive was published, with the digest of its manifest
 *   adopted  somebody has looked at an archive that is not sealed by us, and takes it over
 *   removed  it was removed by us, so that it is not missed
 *   mark     what somebody calls a run, and whether it is protected: the last one counts. It stands
 *            here and nowhere else: with what lies on the medium, whoever can write there could
 * take the protection away, or put back an older mark that was truly ours
 *
 * Each line ends with a hash of itself and the one before: rot and edits are noticed. A last line
 * that was cut off, by a power failure, is dropped; what stands behind a damaged line is not
 * believed.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_LEDGER_H
#define ELEXGATE_BACKUP_ARCHIVE_LEDGER_H

#include <stdbool.h>
#include "backup/rules/manifest.h"
#include "common/error.h"

#define MEDIUM_ID_LEN 33 /* hexadecimal, with the NUL */

enum ledger_what { LEDGER_BEGIN, LEDGER_MADE, LEDGER_ADOPTED, LEDGER_REMOVED, LEDGER_MARK };

struct ledger_entry {
    enum ledger_what what;
    int64_t at_ms;
    uint64_t sequence;
    char run[RUN_SUFFIX_LEN];
    char type[ARCHIVE_TYPE_MAX + 1];   /* "" with begin and mark */
    char digest[SHA256_HEX_LEN];       /* "" with begin, removed and mark */
    char medium[MEDIUM_ID_LEN];        /* where it lies; "" = on a medium without a mark */
    uint64_t files, bytes, tables;     /* made: what was in it */
    char label[ARCHIVE_LABEL_MAX + 1]; /* mark */
    bool protected;                    /* mark */
};

struct ledger {
    char *path;
    struct ledger_entry *entries;
    size_t count;
    char chain[SHA256_HEX_LEN]; /* of the last good line */
    uint64_t good_bytes;        /* of the file up to there */
    bool cut;                   /* the last line has no end */
    struct err problem;         /* a damaged line, which hides all behind it */
};

/* A missing file is an empty ledger. */
int ledger_read(const char *path, struct ledger *out, struct err *e) MUSTCHECK;
void ledger_clear(struct ledger *l);
/* On the disk when it returns. What could not be believed is put aside first, as PATH.damaged. */
int ledger_append(struct ledger *l, const struct ledger_entry *entry, struct err *e) MUSTCHECK;
/* A mark, unless the run has it already. Whoever may use the page may mark without being asked for
 * his password anew: -EDQUOT with words where more would fill the ledger, or, protected, the
 * medium.
 */
#define LEDGER_MARKS_A_DAY   200
#define LEDGER_PROTECTED_MAX 100
int ledger_append_mark(struct ledger *l, const struct ledger_entry *mark, struct err *e) MUSTCHECK;

/* The last entry that made or adopted it, also of what was removed since: a copy of it elsewhere is
 * ours all the same. digest NULL: whatever its content. medium NULL: wherever. */
const struct ledger_entry *ledger_find(const struct ledger *l, const char *type, const char *run,
    const char *digest, const char *medium);
/* The archives on a medium that must still be there, as indices of entries; malloc'ed. */
size_t *ledger_live(const struct ledger *l, const char *medium, size_t *count);
/* How a run is marked; NULL: it never was. */
const struct ledger_entry *ledger_mark(const struct ledger *l, const char *run);
/* Has this run begun here? */
bool ledger_began(const struct ledger *l, const char *run, uint64_t sequence);
bool ledger_began_run(const struct ledger *l, const char *run); /* whatever its number */
/* The highest number so far. */
uint64_t ledger_sequence(const struct ledger *l);
/* The last one of a type that was made here, on whatever medium and whether it is still there; else
 * the last one that was adopted. */
const struct ledger_entry *ledger_last_made(const struct ledger *l, const char *type);

/* One line without its "\n"; chain is that of the line before, and then its own. For tests. */
char *ledger_line(const struct ledger_entry *entry, char chain[static SHA256_HEX_LEN]);
int ledger_line_parse(const char *line, size_t len, char chain[static SHA256_HEX_LEN],
    struct ledger_entry *out, struct err *e) MUSTCHECK;

#endif
