/*
 * The page's accounts as the keeper knows them (people/list.h): names and roles, so that it decides
 * for itself who may what. It sees no password and no hash: the page seals a password that is asked
 * for anew, a job compares it and tells the monitor what was confirmed (link/grant.h), which starts
 * nothing else. The first account is taken as it comes, as long as there is none.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_PEOPLE_H
#define ELEXGATE_BACKUP_KEEPER_PEOPLE_H

#include "backup/keeper/keeper.h"
#include "link/rights.h"

struct keeper_people;

struct keeper_people *keeper_people_open(struct keeper_monitor *m) MUSTCHECK;
void keeper_people_free(struct keeper_people *p); /* NULL allowed; no check may be under way */

void keeper_people_tick(struct keeper *k); /* looks now and then whether the list was changed */
/* Why there is no list, until there is one again; NULL: there is. Borrowed. */
const struct err *keeper_people_trouble(const struct keeper_people *p);

/* At most what the account that a request names has here; an account that is not here may read. */
enum rights_level keeper_people_level(
    const struct keeper_people *p, enum rights_level level, const json_t *request);

/* Has a job check the request's "confirm" against the account that it names. Then runs it
 * (then), or answers why not: EACCES wrong, ENOKEY missing, EAGAIN too often, ENOENT not known
 * here. The request is kept until then. */
typedef void keeper_confirmed_fn(
    struct keeper *k, struct control_client *c, json_t *request, const struct right *right);
void keeper_people_confirm(struct keeper *k, struct control_client *c, json_t *request,
    const struct right *right, keeper_confirmed_fn *then);

/* {"cmd":"account","action":"first"|"add"|"set"|"role"|"remove","name":…,"role":…,"password":…} */
json_t *keeper_account(struct keeper *k, struct control_client *c, json_t *request);

#endif
