/*
 * The page's accounts as the keeper knows them: it decides for itself who may what, and checks a
 * password that is asked for anew. It sees none: the page seals it, and a job opens it
 * (people/sealed.h). The page's program keeps its own list for signing in; whoever takes that
 * program over can neither add to this one nor confirm without a password.
 *
 * state_dir/people.json (0600): {"people":[{"name","role","hash"}]}. The first account is taken as
 * it comes, as long as there is none; each later change is confirmed by the password of an account
 * that stands here.
 */
#ifndef ELEXGATE_BACKUP_KEEPER_PEOPLE_H
#define ELEXGATE_BACKUP_KEEPER_PEOPLE_H

#include "backup/keeper/keeper.h"
#include "link/rights.h"

struct keeper_people;

/* A damaged file is an error: an empty list would take the next account as it comes. */
int keeper_people_open(const char *state_dir, struct keeper_people **out, struct err *e) MUSTCHECK;
void keeper_people_free(struct keeper_people *p); /* NULL allowed; no check may be under way */

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
