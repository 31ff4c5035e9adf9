/*
 * Runs a fuzz target over files and folders of inputs, where libFuzzer is not linked: so every
 * build replays the corpus with `meson test`, with gcc and under any sanitizer.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "%s %s: %s\n", what, path, strerror(errno));
    exit(2);
}

static void replay_file(const char *path)
{
    struct stat st;
    FILE *f = fopen(path, "rb");

    if (!f || fstat(fileno(f), &st) < 0)
        fail("cannot open", path);
    if (st.st_size > INPUT_MAX) {
        fprintf(stderr, "%s is too large for a corpus\n", path);
        exit(2);
    }
    size_t size = (size_t)st.st_size;
    /* Exactly as large as the input, so that a sanitizer sees one byte too many. */
    uint8_t *data = malloc(size ? size : 1);
    if (!data || fread(data, 1, size, f) != size)
        fail("cannot read", path);
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last name stands before a crash */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    replayed++;
}

static void replay_folder(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *entry;

    if (!d)
        fail("cannot open", path);
    while ((entry = readdir(d))) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        replay_file(name);
    }
    closedir(d);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) < 0)
            fail("cannot find", argv[i]);
        if (S_ISDIR(st.st_mode))
            replay_folder(argv[i]);
        else
            replay_file(argv[i]);
    }
    printf("%u inputs replayed\n", replayed);
    /* An empty corpus proves nothing. */
    return replayed ? 0 : 1;
}
