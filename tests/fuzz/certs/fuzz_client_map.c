/*
 * The map of certificates to users: comments, blank lines and line ends change neither verdict nor
 * content, and nobody without a line gets in.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "certs/client_map.h"

#define PREFIX "# comment\n\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e = {0};
    struct client_map *m = NULL, *padded = NULL;
    size_t longer = strlen(PREFIX) + size + 1;
    char *text = xmalloc(longer);
    memcpy(text, PREFIX, strlen(PREFIX));
    memcpy(text + strlen(PREFIX), data, size);
    text[longer - 1] = '\n';

    int r = client_map_parse((const char *)data, size, "map", &m, &e);
    int r2 = client_map_parse(text, longer, "map", &padded, NULL);
    CHECK(r == r2);
    if (r == 0) {
        CHECK(client_map_size(m) == client_map_size(padded));
        CHECK(
            client_map_check(m, "x", "") != CLIENT_MAP_ALLOWED || memchr(data, '*', size) != NULL);
        if (client_map_size(m) == 0)
            CHECK(client_map_check(m, "empfang-1", "elexis") == CLIENT_MAP_UNKNOWN);
    } else {
        CHECK((r == -EINVAL || r == -EFBIG) && e.code == -r && e.text[0] != '\0' && m == NULL);
    }
    client_map_free(m);
    client_map_free(padded);
    free(text);
    return 0;
}
