/*
 * The package for a workstation: one ZIP with the trust store, the line for Elexis as text, the
 * guide, a list to tick off and, for Windows, a script that puts the files in their places.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cert/cmd_cert_guide.h"
#include "cli/cert/cmd_cert_package.h"

#define ZIP_MAX (1024 * 1024)

/* What cmd.exe reads: ASCII, since nobody knows its code page, and CR LF. */
static char *script(const struct guide_facts *f)
{
    static const char *const lines[] = {
        "@echo off",
        N_("rem Puts the files for Elexis in their places. Run it as administrator."),
        N_("rem Drop the folder of Elexis on it, and Elexis uses the Windows store (short line)."),
        "setlocal",
        "cd /d \"%~dp0\"",
        N_("net session >nul 2>&1 || (echo Please right-click and choose \"Run as administrator\". & pause & exit /b 1)"),
        "if not exist C:\\elexgate mkdir C:\\elexgate",
        "copy /y " GUIDE_TRUST_FILE " C:\\elexgate\\ >nul || goto failed",
        "for %%f in (elexgate-ca*.cer) do certutil -addstore -f Root \"%%f\" >nul || goto failed",
        "set line=" GUIDE_LINE_WINDOWS,
        "if \"%~1\"==\"\" goto copied",
        N_("if not exist \"%~1\\elexis.ini\" (echo There is no elexis.ini in %1 & goto failed)"),
        "findstr /c:\"trustStoreType=Windows-ROOT\" \"%~1\\elexis.ini\" >nul || (echo.&echo -Djavax.net.ssl.trustStoreType=Windows-ROOT) >> \"%~1\\elexis.ini\"",
        "set line=" GUIDE_LINE_STORE,
        ":copied",
        "clip < %line%",
        N_("echo Done. The line for Elexis is in the clipboard: paste it as the name of the database."),
        "pause",
        "exit /b 0",
        ":failed",
        N_("echo That did not work; nothing else was changed. See the guide."),
        "pause",
        "exit /b 1",
    };
    char *out = NULL;
    size_t len = 0;
    FILE *s = open_memstream(&out, &len);
    CHECK(s != NULL);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        fprintf(s, "%s\r\n", lang_text(f->lang, lines[i]));
    CHECK(fclose(s) == 0);
    return out;
}

size_t package_texts(const struct guide_facts *f, struct package_file out[static PACKAGE_TEXTS])
{
    struct guide_facts store = *f;
    store.issuer = NULL; /* the system knows it: no trust store in the line */
    size_t n = 0;
    if (f->issuer != NULL) {
        out[n++] = (struct package_file){GUIDE_LINE_WINDOWS, guide_package_field(f, true)};
        out[n++] = (struct package_file){GUIDE_LINE_UNIX, guide_package_field(f, false)};
        out[n++] = (struct package_file){
            f->lang == LANG_DE ? "einrichten.cmd" : "setup.cmd", script(f)};
    }
    out[n++] = (struct package_file){GUIDE_LINE_STORE, guide_package_field(&store, true)};
    return n;
}

static int fail(struct archive *a, struct err *e)
{
    return err_set(e, EIO, "the ZIP cannot be made: %s",
        archive_error_string(a) ? archive_error_string(a) : "no reason given");
}

static int add(
    struct archive *a, const char *name, const char *data, size_t len, time_t now, struct err *e)
{
    struct archive_entry *entry = archive_entry_new();
    CHECK(entry != NULL);
    archive_entry_set_pathname_utf8(entry, name);
    archive_entry_set_size(entry, (la_int64_t)len);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, now, 0);
    int r = archive_write_header(a, entry) == ARCHIVE_OK &&
                    archive_write_data(a, data, len) == (la_ssize_t)len
                ? 0
                : fail(a, e);
    archive_entry_free(entry);
    return r;
}

int package_zip(const struct package_content *files, size_t n, time_t now, char **out, size_t *len,
    struct err *e)
{
    struct archive *a = archive_write_new();
    char *buffer = xmalloc(ZIP_MAX);
    CHECK(a != NULL);
    int r = 0;
    *len = 0;
    if (archive_write_set_format_zip(a) != ARCHIVE_OK ||
        archive_write_open_memory(a, buffer, ZIP_MAX, len) != ARCHIVE_OK)
        r = fail(a, e);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = add(a, files[i].name, files[i].data, files[i].len, now, e);
    if (r == 0 && archive_write_close(a) != ARCHIVE_OK)
        r = fail(a, e);
    archive_write_free(a);
    if (r < 0) {
        free(buffer);
        return r;
    }
    *out = buffer;
    return 0;
}
