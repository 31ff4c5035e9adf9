#include <openssl/evp.h>
#include <stdint.h>
#include "common/error.h"
#include "common/hex.h"

char *hex_sha256(const void *data, size_t n, char out[static SHA256_HEX_LEN])
{
    uint8_t sum[32];
    CHECK(EVP_Digest(data, n, sum, NULL, EVP_sha256(), NULL));
    return hex_text(sum, sizeof sum, out);
}
