#include "people/sealed.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/clock.h"
#include "common/file.h"

#define VARIANT  sodium_base64_VARIANT_ORIGINAL
#define BOX_SIZE (sizeof(struct sealed) + crypto_box_SEALBYTES)

_Static_assert(sizeof(struct sealed) == SEALED_SIZE + SEALED_ACT_SIZE + 8 + SEALED_NONCE_SIZE,
    "without gaps: it is sealed as it lies there");

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? xasprintf("%.*s", (int)(slash - path), path) : xstrdup(".");
}

char *sealed_key_beside(const char *control_socket)
{
    _cleanup_free_ char *folder = folder_of(control_socket);
    return xasprintf("%s/password.pub", folder);
}

char *sealed_key_within(const char *state_dir)
{
    return xasprintf("%s/password.key", state_dir);
}

int sealed_make(const char *public_path, const char *secret_path, struct err *e)
{
    unsigned char public[crypto_box_PUBLICKEYBYTES], secret[crypto_box_SECRETKEYBYTES];
    _cleanup_free_ char *own = folder_of(secret_path), *shared = folder_of(public_path);
    int r = sodium_init() < 0 ? err_set(e, EIO, "libsodium does not work") : 0;
    if (r == 0)
        r = file_mkdirs(own, 0700, e);
    if (r == 0)
        r = file_mkdirs(shared, 0755, e);
    if (r < 0)
        return r;
    crypto_box_keypair(public, secret);
    r = file_publish(secret_path, secret, sizeof secret, 0600, e);
    if (r == 0)
        r = file_publish(public_path, public, sizeof public, 0644, e);
    sodium_memzero(secret, sizeof secret);
    return r;
}

static int read_key(
    const char *path, unsigned char key[static crypto_box_PUBLICKEYBYTES], struct err *e)
{
    _cleanup_free_ char *text = NULL;
    size_t len = 0;
    int r = file_read(path, crypto_box_PUBLICKEYBYTES, &text, &len, e);
    if (r == 0 && len != crypto_box_PUBLICKEYBYTES)
        r = err_set(e, EBADMSG, "%s is damaged", path);
    if (r == 0)
        memcpy(key, text, crypto_box_PUBLICKEYBYTES);
    if (text)
        sodium_memzero(text, len);
    return r;
}

/* Root's, ours, or of whoever has the folder to himself: as for the socket (link/peer.h). */
static bool is_theirs(const char *path)
{
    struct stat file, folder;
    _cleanup_free_ char *parent = folder_of(path);
    return lstat(path, &file) == 0 && stat(parent, &folder) == 0 && S_ISREG(file.st_mode) &&
           (file.st_uid == 0 || file.st_uid == geteuid() ||
               (file.st_uid == folder.st_uid && !(folder.st_mode & (S_IWGRP | S_IWOTH))));
}

int sealed_close(
    const char *public_path, const char *text, const char *act, char **out, struct err *e)
{
    unsigned char key[crypto_box_PUBLICKEYBYTES], box[BOX_SIZE];
    struct sealed plain = {.at_ms = clock_mono_ms()};
    const size_t size = sodium_base64_ENCODED_LEN(sizeof box, VARIANT);
    if (sodium_init() < 0 || !is_theirs(public_path) || read_key(public_path, key, e) < 0)
        return err_set(e, EHOSTDOWN, "there is no key of the keeper's in %s", public_path);
    /* more than that is no password */
    memcpy(plain.text, text, strnlen(text, sizeof plain.text - 1));
    memcpy(plain.act, act, strnlen(act, sizeof plain.act - 1));
    randombytes_buf(plain.nonce, sizeof plain.nonce);
    int r = crypto_box_seal(box, (const unsigned char *)&plain, sizeof plain, key);
    sodium_memzero(&plain, sizeof plain);
    if (r < 0)
        return err_set(e, EHOSTDOWN, "%s is no key", public_path);
    *out = sodium_bin2base64(xmalloc(size), size, box, sizeof box, VARIANT);
    return 0;
}

int sealed_open(const char *secret_path, const char *sealed, struct sealed *out, struct err *e)
{
    unsigned char public[crypto_box_PUBLICKEYBYTES], secret[crypto_box_SECRETKEYBYTES];
    unsigned char box[BOX_SIZE];
    size_t len = 0;
    int r = sodium_init() < 0 ? err_set(e, EIO, "libsodium does not work") : 0;
    if (r == 0)
        r = file_check_private(secret_path, e);
    if (r == 0)
        r = read_key(secret_path, secret, e);
    if (r < 0)
        return r;
    bool good = sodium_base642bin(
                    box, sizeof box, sealed, strlen(sealed), NULL, &len, NULL, VARIANT) == 0 &&
                len == sizeof box && crypto_scalarmult_base(public, secret) == 0 &&
                crypto_box_seal_open((unsigned char *)out, box, len, public, secret) == 0;
    sodium_memzero(secret, sizeof secret);
    if (!good)
        return err_set(e, EBADMSG, "this is no sealed password");
    out->text[SEALED_SIZE - 1] = out->act[SEALED_ACT_SIZE - 1] = '\0';
    return 0;
}
