/* The text of a global_priv row: as many salts as there is room for at most, each of a length that
 * its plugin has; with less room, the first ones of the same. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "proof/salt.h"

#define ROOM 4u

static void must(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t scramble[SCRAMBLE_LEN], leaf[LEAF_LEN];
    struct salt all[ROOM], first;
    char proof[PROOF_LEN + 1];
    size_t n = salts_of_account((const char *)data, size, all, ROOM);
    must(n <= ROOM);
    for (size_t i = 0; i < n; i++) {
        must(all[i].len == 20 || all[i].len == 32 || all[i].len == SALT_MAX);
        proof_make(&all[i], scramble, leaf, proof);
        must(strlen(proof) == PROOF_LEN);
    }
    must(salts_of_account((const char *)data, size, all, 0) == 0);
    size_t one = salts_of_account((const char *)data, size, &first, 1);
    must(one == (n > 0));
    must(!one || (first.len == all[0].len && memcmp(first.bytes, all[0].bytes, first.len) == 0));
    return 0;
}
