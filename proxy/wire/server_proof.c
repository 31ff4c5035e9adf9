#include "proxy/wire/server_proof.h"

#include "proxy/wire/packet.h"

#define MARK_SHA256 0x01 /* the only kind of hash there is */

bool server_proof_well_formed(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'A' && text[i] <= 'F')))
            return false;
    return n == SERVER_PROOF_LEN;
}

size_t server_proof_find(const uint8_t *payload, size_t n)
{
    struct cursor c = cursor_make(payload, n);
    if (cursor_u8(&c) != 0)
        return 0;
    (void)cursor_lenenc(&c); /* affected rows */
    (void)cursor_lenenc(&c); /* last insert id */
    (void)cursor_u16(&c);    /* status */
    (void)cursor_u16(&c);    /* warnings */
    /* The text has its length in front whether or not CLIENT_SESSION_TRACK was agreed. */
    if (cursor_lenenc(&c) != 1 + SERVER_PROOF_LEN || cursor_u8(&c) != MARK_SHA256)
        return 0;
    const uint8_t *text = cursor_bytes(&c, SERVER_PROOF_LEN);
    if (!text || !server_proof_well_formed((const char *)text, SERVER_PROOF_LEN))
        return 0;
    return (size_t)(text - payload);
}
