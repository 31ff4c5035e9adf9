/*
 * DECIMAL as a binary log has it, in rows and in variables: groups of nine digits in four bytes.
 */
#ifndef ELEXGATE_BACKUP_RULES_BINLOG_DECIMAL_H
#define ELEXGATE_BACKUP_RULES_BINLOG_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#define BINLOG_DECIMAL_LEN 260

/* Bytes of one with so many digits, so many of which stand behind the point. */
size_t binlog_decimal_size(unsigned digits, unsigned behind);
/* "-12.50"; digits at most 255, behind at most digits. */
void binlog_decimal_text(
    const uint8_t *from, unsigned digits, unsigned behind, char out[static BINLOG_DECIMAL_LEN]);

#endif
