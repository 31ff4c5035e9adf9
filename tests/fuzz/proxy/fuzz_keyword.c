/* A statement's text: decided the same in one piece and in single bytes, and decided once. */
#include <stdlib.h>
#include "proxy/wire/keyword.h"

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyword whole, bytes;
    enum keyword_kind told = KEYWORD_UNDECIDED;
    keyword_start(&whole);
    keyword_start(&bytes);
    enum keyword_kind early = keyword_feed(&whole, data, size);
    for (size_t i = 0; i < size; i++) {
        enum keyword_kind now = keyword_feed(&bytes, data + i, 1);
        must(told == KEYWORD_UNDECIDED || now == told);
        told = now;
    }
    must(told == early);
    must(size <= KEYWORD_SEARCH_MAX || told != KEYWORD_UNDECIDED);
    enum keyword_kind end = keyword_finish(&whole);
    must(end != KEYWORD_UNDECIDED && end == keyword_finish(&bytes));
    must(told == KEYWORD_UNDECIDED || told == end);
    return 0;
}
