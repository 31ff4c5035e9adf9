/* A statement's text: the same in one piece and in single bytes, and decided once. */
#include <stdlib.h>
#include "proxy/wire/calls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct calls whole, bytes;
    bool told = false;
    calls_start(&whole);
    calls_start(&bytes);
    bool all = calls_feed(&whole, data, size);
    for (size_t i = 0; i < size; i++) {
        bool now = calls_feed(&bytes, data + i, 1);
        if (told && !now)
            abort();
        told = now;
    }
    if (told != all)
        abort();
    return 0;
}
