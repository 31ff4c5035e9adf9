/*
 * What the pages about certificates share: `elexgate cert`, run by the keeper, and what it answers.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_CERTIFICATES_H
#define ELEXGATE_CONSOLE_PAGES_CERTIFICATES_H

#include "console/http/request.h"

#define CERTIFICATES_PAGE "/certificates"

/* options: taken over, may be NULL. *result: NULL, or what an
 * earlier call left there, which is released; then a new reference; of a refusal the whole answer,
 * which may have "field", and whose words, in the page's language, are in e. */
int certificates_ask(struct request *rq, const char *action, json_t *options, json_t **result,
    struct err *e) MUSTCHECK;
/* The page once more with what was typed, after a refusal; result as above, not taken over. */
void certificates_again(struct request *rq, struct err *e, const json_t *result);
/* What is shown of one: model.names_text, fingerprint with colons, dates. In place. */
void certificates_complete(struct request *rq, json_t *certificate);
/* "kein Besuch nötig", or how many workstations need the new file. malloc'ed. */
char *certificates_effect(struct request *rq, const json_t *exchange) MUSTCHECK;

/* The content of the first of result.files with that ending; malloc'ed, NULL if there is none. name
 * (may be NULL): borrowed. */
char *certificates_file(
    const json_t *result, const char *ending, size_t *len, const char **name) MUSTCHECK;
/* Answers with a file; takes over data. name is plain: it was made by elexgate cert. */
void certificates_answer_file(struct request *rq, char *data, size_t len, const char *name);

#endif
