/*
 * The commands of the control socket, each of which checks its arguments and answers exactly once.
 * commands.c has the table and what concerns one process; commands_gate.c what concerns the gate,
 * and with it the sessions of all our processes (predecessors.h).
 */
#ifndef ELEXGATE_PROXY_CONTROL_COMMANDS_H
#define ELEXGATE_PROXY_CONTROL_COMMANDS_H

#include "proxy/control/control_socket.h"

#define COMMAND_DAY_MS (INT64_C(24) * 60 * 60 * 1000)

/* Finds the command, and whether this client may give it. */
void command_run(struct control_client *c, const json_t *request);

void command_error(struct control_client *c, const struct err *e);
json_t *command_ok(void) MUSTCHECK;
/* An optional whole number. false: it is there and is none, or out of range; then answered. */
bool command_ms(struct control_client *c, const json_t *request, const char *key, int64_t def,
    int64_t max, uint64_t *out) MUSTCHECK;

void command_status(struct control_client *c, const json_t *request);
void command_sessions(struct control_client *c, const json_t *request);
void command_block(struct control_client *c, const json_t *request);
void command_drain(struct control_client *c, const json_t *request);
void command_open(struct control_client *c, const json_t *request);
void command_hold(struct control_client *c, const json_t *request);
void command_release(struct control_client *c, const json_t *request);
void command_kill(struct control_client *c, const json_t *request);

#endif
