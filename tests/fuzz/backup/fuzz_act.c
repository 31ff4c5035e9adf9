/* What the monitor reads of a keeper that was taken over: a request of its own, and one for a job.
 * The first two bytes are kind and flags. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "backup/monitor/acts.h"
#include "backup/monitor/kinds.h"
#include "common/json_get.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct monitor_request q;
    char **words = NULL;
    if (size < 2)
        return 0;
    memset(&q, 0, sizeof q);
    q.kind = data[0] % MONITOR_KINDS;
    q.flags = (uint32_t)data[1] << 3;
    const struct kind *k = kind_of(q.kind);
    size_t n = size - 2 < sizeof q.text ? size - 2 : sizeof q.text;
    if (k->text != TEXT_NONE)
        memcpy(q.text, data + 2, n);
    else
        memcpy(q.which, data + 2, n < sizeof q.which ? n : sizeof q.which);
    if (k->input == INPUT_TOLD) {
        _cleanup_json_ json_t *told = NULL;
        _cleanup_fd_ int copy = -1, fd = memfd_create("fuzz", MFD_CLOEXEC);
        q.which[0] = '\0';
        if (fd < 0 || write(fd, data + 2, size - 2) != (ssize_t)(size - 2))
            return 0;
        if (act_read(fd, &told, &copy, NULL) == 0 && act_allowed(&q, told, NULL) == 0)
            CHECK(strcmp(json_get_text(told, "cmd"), k->command) == 0);
        return 0;
    }
    if (kind_words(&q, NULL, &words, NULL) == 0) {
        int r = act_allowed(&q, NULL, NULL); /* nobody has granted anything */
        CHECK(r == 0 || r == -EPERM || r == -EINVAL);
        CHECK(r != 0 || q.kind != MONITOR_REMOVE);
    }
    free_words(words);
    return 0;
}
