/*
 * What others may have written - compressed, in a tar or zip, in another character set - is parsed
 * by a process of ours that can only read, reckon and write (common/reckoner.h): zlib, ISA-L,
 * libarchive and iconv run there and nowhere else. It is fed by a thread with the bytes of the file
 * (decrypted here: it sees no key), and answers in frames, each checked for its length and kind.
 * What is in them is as hostile as the file was.
 *
 *   gzip   DATA ... END
 *   tar    (MEMBER (DATA ... DONE)) ... END; DATA and DONE for files only
 *   sql    [NOTE] DATA ... END: the text in an SQL file, however it is packed
 *
 * or, at any place, DAMAGED with words, or REFUSED (sql), as the last one.
 */
#ifndef ELEXGATE_BACKUP_ARCHIVE_PARSE_H
#define ELEXGATE_BACKUP_ARCHIVE_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include "backup/archive/stream.h"
#include "common/error.h"

#define PARSE_CHILD "parse" /* the program's first word */

enum parse_as { PARSE_GZIP, PARSE_TAR, PARSE_SQL };

enum parse_kind {
    PARSE_DATA = 1, /* bytes; of a tar's file, at their place in it; none: a sign of life */
    PARSE_MEMBER,   /* the next one of a tar: parse_member.h */
    PARSE_DONE,     /* of a tar: the end of the file's content */
    PARSE_NOTE,     /* at: enum parse_note */
    PARSE_REFUSED,  /* at: enum parse_refusal */
    PARSE_DAMAGED,  /* words */
    PARSE_END,      /* at: how many bytes were inflated */
    PARSE_KINDS
};

/* What an SQL file is encoded in, and what it is instead. */
enum parse_note { PARSE_UTF16LE, PARSE_UTF16BE, PARSE_NOTES };
enum parse_refusal {
    PARSE_IS_AGE,
    PARSE_IS_RAR,
    PARSE_IS_7Z,
    PARSE_IS_POSTGRES,
    PARSE_IS_SQLITE,
    PARSE_IS_XBSTREAM,
    PARSE_HAS_PASSWORD,
    PARSE_HAS_SEVERAL,
    PARSE_HAS_NONE,
    PARSE_REFUSALS
};

struct parse_frame {
    enum parse_kind kind;
    uint64_t at;
    const uint8_t *data; /* until the next frame */
    size_t n;
};

struct parse_options {
    enum parse_as as;
    bool second_opinion; /* inflate with zlib even if ISA-L is there */
    unsigned threads;    /* 0 = one a processor */
};

struct parser;

#define PARSE_BROKEN 1 /* by what the file holds; e says how */

/* from stays the caller's, and is the parser's until parser_drop. */
int parser_start(const struct parse_options *o, struct source *from, struct parser **out,
    struct err *e) MUSTCHECK;
/* 0 with the next frame, which is never DAMAGED; PARSE_BROKEN for that, for damage of the source
 * (-EBADMSG) and for a process that ended over it; or the source's or a negative error of ours.
 * Behind END, REFUSED and anything but 0 nothing more comes. */
int parser_next(struct parser *p, struct parse_frame *f, struct err *e) MUSTCHECK;
/* After it the source has been read to where it was needed. NULL allowed. */
void parser_drop(struct parser *p);

/* argv: the first word and what parser_start says behind it. Returns the program's exit code. */
int parse_child(int argc, char **argv);

#endif
