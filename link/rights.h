/*
 * Who may ask for what on a control socket: one table for proxy and keeper, and what is not in it
 * is refused. Pure.
 *
 * Whoever is at the machine (root, the program's own user, control_users) may everything. The
 * page's program asks for the person who is signed in there, whom each request names:
 *
 *     {"cmd":"delete","which":"2026-11-22-0315","as":{"account":"anna","role":"admin"},
 *      "confirm":"anna's password"}
 *
 * The same member binds a program that could do more (a demo runs everything as one user).
 */
#ifndef ELEXGATE_LINK_RIGHTS_H
#define ELEXGATE_LINK_RIGHTS_H

#include <jansson.h>
#include <stdbool.h>
#include "common/error.h"

enum rights_program { RIGHTS_PROXY, RIGHTS_KEEPER };

/* In this order: each may what those before it may. */
enum rights_level {
    RIGHTS_PAGE,    /* the page's program, for nobody in particular */
    RIGHTS_VIEWER,  /* somebody who is signed in there */
    RIGHTS_ADMIN,   /* an admin who is signed in there */
    RIGHTS_MACHINE, /* root, the program's own user, control_users */
    RIGHTS_NOBODY,  /* not over a socket: root, with a command that does it itself */
};

struct right {
    enum rights_program program;
    const char *cmd;
    const char *action; /* the request's "action"; NULL = any */
    const char *member; /* only if this member is set, "options.force" within another; NULL = any */
    enum rights_level least;
    bool confirm; /* on the page with the password anew */
    bool logged;  /* goes into the audit log */
};

/* What a request falls under: the first row without a member that fits, and beside it every row
 * whose member it sets, of all of them the strictest. false: there is no row. */
bool rights_find(enum rights_program program, const json_t *request, struct right *out) MUSTCHECK;
/* For whom a request is: what the peer may, and less where the request names somebody who may less.
 * page: the peer is the page's program. */
enum rights_level rights_level(bool page, const json_t *request);
const char *rights_level_name(enum rights_level level); /* "", "viewer", "admin", "machine" */
/* The account that a request names, "" without one. Borrowed. */
const char *rights_account(const json_t *request);
/* What a request is about, for the audit log: the names of what it touches, an account's role,
 * never a setting's or an option's value; malloc'ed. */
char *rights_object(const json_t *request) MUSTCHECK;
/* 0: it may be done. -EPERM: words. -ENOSYS: no such row. *out (NULL allowed): what it falls under.
 */
int rights_check(enum rights_program program, enum rights_level level, const json_t *request,
    struct right *out, struct err *e) MUSTCHECK;

/* For the page's program: names who asks. name may be NULL (nobody). The request stays the
 * caller's. */
void rights_name(json_t *request, const char *name, const char *role);

#endif
