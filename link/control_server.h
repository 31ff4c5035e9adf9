/*
 * The serving side of the control protocol (control.h) on libuv's loop, for one thread: accepts,
 * asks the kernel who it is, gives each request to its owner, drops who does not read.
 *
 * Root, our own user and those whom control_server_users names may ask, and the page's program for
 * whoever is signed in there (rights.h). Anybody else gets one answer, which says so.
 */
#ifndef ELEXGATE_LINK_CONTROL_SERVER_H
#define ELEXGATE_LINK_CONTROL_SERVER_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>
#include "common/error.h"

#define CONTROL_CLIENTS_MAX 64u
/* Of these for any one user but root and our own, and for all such users: who may ask cannot keep
 * the admin out. */
#define CONTROL_CLIENTS_OF_ONE    (CONTROL_CLIENTS_MAX / 2)
#define CONTROL_CLIENTS_OF_OTHERS (CONTROL_CLIENTS_MAX / 4 * 3)
/* Taken at a door in one turn of the loop, however many come: what else there is to do is done. */
#define CONTROL_ACCEPTED_MAX 8u
/* Who reads too slowly is dropped when this much waits for him. */
#define CONTROL_BACKLOG_MAX (4u << 20)

struct control_server;
struct control_client;
struct control_door;

struct control_events {
    /* A request (borrowed); the answer goes through control_answer, now or later. */
    void (*request)(void *ctx, struct control_client *c, json_t *request);
    /* It has hung up, or was: what was kept for it ends now. NULL allowed. */
    void (*gone)(void *ctx, struct control_client *c);
    void *ctx;
    size_t room; /* bytes of the owner's for each client, zero at first */
};

struct control_server *control_server_new(
    uv_loop_t *loop, const struct control_events *events) MUSTCHECK;
/* The options' name for the words, the users in it, and whom the page's program runs as; borrowed
 * until the next call. */
void control_server_users(
    struct control_server *s, const char *option, const char *const *names, const char *page_user);
/* A connection that was made already, as one of our own user. */
struct control_client *control_server_adopt(struct control_server *s, int fd);
/* Calls fn for each client; it may hang up on any. */
void control_server_each(
    struct control_server *s, void (*fn)(void *ctx, struct control_client *c), void *ctx);
/* Hangs up on all and frees; NULL allowed. Its doors are closed before. */
void control_server_close(struct control_server *s);

/* A socket that is listened on (unix_socket_listen). */
int control_door_open(struct control_server *s, int number, const char *path,
    struct control_door **out, struct err *e) MUSTCHECK;
const char *control_door_path(const struct control_door *d);
/* The file of this name is our socket. */
bool control_door_has(const struct control_door *d, const char *path);
/* Another name, in one step: whoever connects there reaches what was there or us. */
int control_door_rename(struct control_door *d, const char *path, struct err *e) MUSTCHECK;
/* Also removes the file, if it is still ours. NULL allowed. */
void control_door_close(struct control_door *d);

/* A client stays in memory while somebody holds a reference; an answer to one that hung up is
 * dropped. */
struct control_client *control_client_ref(struct control_client *c);
void control_client_unref(struct control_client *c);
void *control_client_ctx(const struct control_client *c); /* the events'; NULL once it hung up */
void *control_client_room(struct control_client *c);
int control_client_door(const struct control_client *c);   /* its door's number; -1: adopted */
uid_t control_client_uid(const struct control_client *c);  /* says the kernel */
bool control_client_page(const struct control_client *c);  /* the page's program */
bool control_client_owner(const struct control_client *c); /* root or our own user */
/* Into the log, that it was refused this (NULL: all): a line, and where it asks for the same again
 * only how often; so many lines a minute of all together. account: NULL allowed. */
void control_client_refused(struct control_client *c, const char *cmd, const char *account);
void control_answer(struct control_client *c, json_t *object); /* object is the callee's */
/* One line with descriptors at once, past the queue. -EAGAIN where that is not possible. */
int control_answer_fds(struct control_client *c, const json_t *object, const int *fds, size_t n,
    struct err *e) MUSTCHECK;
void control_hang_up(struct control_client *c);

#endif
