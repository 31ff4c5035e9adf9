/*
 * Who may sign in: names, roles and argon2id hashes, in state_dir/accounts.json (0600, published
 * whole). Thread-safe.
 *
 * Checking a password takes 64 MiB and a good part of a second by design; one at a time, and only a
 * few may wait, so that guessing cannot exhaust the machine.
 */
#ifndef ELEXGATE_CONSOLE_WHO_ACCOUNTS_H
#define ELEXGATE_CONSOLE_WHO_ACCOUNTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "common/error.h"
#include "common/lang.h"
#include "people/name.h"
#include "people/password.h"

enum role { ROLE_NONE, ROLE_VIEWER, ROLE_ADMIN };
const char *role_name(enum role role);  /* "viewer", "admin", "" */
enum role role_parse(const char *name); /* ROLE_NONE for anything else */

struct accounts;

/* A missing file is an empty list; a damaged one is an error, never an empty list: that would let
 * the next visitor set up the page anew. */
int accounts_open(const char *state_dir, struct accounts **out, struct err *e) MUSTCHECK;
void accounts_close(struct accounts *a); /* NULL allowed */

bool accounts_empty(struct accounts *a);
/* 0: right, *role is set. 1: wrong name or password (a wrong name takes as long). -EAGAIN: too many
 * wait. */
int accounts_check(struct accounts *a, const char *name, const char *password, enum role *role,
    struct err *e) MUSTCHECK;
/* ROLE_NONE when there is no such account (any more). */
enum role accounts_role(struct accounts *a, const char *name);
/* Changes with every change of the password, so that sessions from before end. 0: no account. */
long accounts_generation(struct accounts *a, const char *name);
/* [{"name","role","created","changed"}] sorted by name. New reference. */
json_t *accounts_list(struct accounts *a) MUSTCHECK;

/* The codes tell what is wrong: -EINVAL name, -ERANGE password too short or long, -EEXIST,
 * -ENOENT, -EPERM (the last admin). first: only while there is no account at all (-EEXIST
 * otherwise), so that a setup link works once even when it is used twice at the same moment. */
int accounts_add(struct accounts *a, const char *name, enum role role, const char *password,
    bool first, struct err *e) MUSTCHECK;
int accounts_set_password(
    struct accounts *a, const char *name, const char *password, struct err *e) MUSTCHECK;
int accounts_set_role(
    struct accounts *a, const char *name, enum role role, struct err *e) MUSTCHECK;
/* The language that somebody chose for the page; LANG_COUNT: none, the browser's. */
enum lang accounts_language(struct accounts *a, const char *name);
int accounts_set_language(
    struct accounts *a, const char *name, enum lang lang, struct err *e) MUSTCHECK;
/* --- the second factor: a code of people/totp.h, or one of the codes for when the phone is lost
 * --- */

#define RECOVERY_CODES 10
#define RECOVERY_LEN   15 /* "abcd-efgh-ijkl", with the NUL */

/* It asks for a code. */
bool accounts_has_code(struct accounts *a, const char *name);
/* 0: right, and used up. 1: wrong. */
int accounts_check_code(
    struct accounts *a, const char *name, const char *code, struct err *e) MUSTCHECK;
/* From now on it asks for one; step: that of the code that was shown to work. The recovery codes
 * are made and given once; only their hashes are kept. */
int accounts_set_code(struct accounts *a, const char *name, const char *secret, uint64_t step,
    char recovery[static RECOVERY_CODES][RECOVERY_LEN], struct err *e) MUSTCHECK;
int accounts_drop_code(struct accounts *a, const char *name, struct err *e) MUSTCHECK;

int accounts_remove(struct accounts *a, const char *name, struct err *e) MUSTCHECK;

#endif
