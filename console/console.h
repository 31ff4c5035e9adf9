/*
 * The whole of the console: made by main.c, shared by all requests.
 */
#ifndef ELEXGATE_CONSOLE_CONSOLE_H
#define ELEXGATE_CONSOLE_CONSOLE_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include "console/who/accounts.h"
#include "console/who/sessions.h"
#include "console/settings.h"
#include "console/who/throttle.h"
#include "console/http/upload_store.h"

struct live;

struct console {
    const char *config_path; /* NULL: the default */
    const char *assets_dir;  /* NULL: what is embedded */
    pthread_mutex_t lock;    /* settings and their count */
    struct settings *settings;
    struct accounts *accounts;
    struct sessions *sessions;
    struct throttle *throttle;
    struct upload_store *uploads;
    struct live *live;
    json_t *messages;            /* texts/messages.json; immutable */
    atomic_bool keeper_knows;    /* ... the first account */
    char setup_token[TOKEN_LEN]; /* "" once there is an account; under setup_lock */
    uint64_t setup_drawn_ms;     /* when it was made */
    char *setup_link;            /* the file with the one-time link; set once */
    pthread_mutex_t setup_lock;
    atomic_bool stopping;
    atomic_uint streams; /* /events that are open */
};

/* A reference on the settings of this moment. */
struct settings *console_settings(struct console *c);
void console_settings_drop(struct console *c, struct settings *s);

#endif
