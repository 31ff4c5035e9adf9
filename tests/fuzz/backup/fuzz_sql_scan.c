/* Any bytes: looked through in one piece and in many, it says the same. */
#include <stdint.h>
#include <string.h>

#include "backup/rules/sql_scan.h"
#include "common/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sql_scan whole = {0}, pieces = {0};
    sql_scan_start(&whole, "elexis");
    sql_scan_feed(&whole, (const char *)data, size);
    sql_scan_finish(&whole);
    sql_scan_start(&pieces, "elexis");
    for (size_t i = 0, n; i < size; i += n) {
        n = 1 + data[i] % 7;
        n = n < size - i ? n : size - i;
        sql_scan_feed(&pieces, (const char *)data + i, n);
    }
    sql_scan_finish(&pieces);
    CHECK(whole.refused == pieces.refused && whole.statements == pieces.statements);
    CHECK(whole.other_line == pieces.other_line && whole.complete == pieces.complete);
    CHECK(whole.n_tables == pieces.n_tables && whole.n_needs == pieces.n_needs);
    CHECK(strcmp(whole.server, pieces.server) == 0);
    CHECK(strlen(whole.other) < sizeof whole.other);
    sql_scan_clear(&whole);
    sql_scan_clear(&pieces);
    return 0;
}
