/* A name that is taken for ours is written again exactly the same, and holds no way out of its
 * folder. */
#include <stdint.h>
#include <string.h>

#include "backup/rules/archive_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[300], buf[ARCHIVE_NAME_LEN], next[RUN_SUFFIX_LEN];
    struct archive_name n;
    if (size >= sizeof text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    if (!archive_name_parse(text, &n))
        return 0;
    CHECK(strcmp(archive_name_format(&n, buf), text) == 0);
    CHECK(!strchr(text, '/') && archive_type_valid(n.type) && run_suffix_valid(n.run));
    run_suffix_next(n.run, next);
    CHECK(strncmp(n.run, "2999-12-31", 10) == 0 ||
          (run_suffix_valid(next) && strcmp(next, n.run) > 0));
    return 0;
}
