/*
 * What is wrong, in words, with what to do about it: the keeper's verdict ("findings" of its
 * status), and what only the page can see: who does not answer, and what the proxy says of itself.
 * Pure: from the programs' status to a list.
 */
#ifndef ELEXGATE_CONSOLE_PAGES_PROBLEMS_H
#define ELEXGATE_CONSOLE_PAGES_PROBLEMS_H

#include <jansson.h>
#include "common/lang.h"

/* proxy, keeper: their answers to "status", NULL if they do not answer. messages: of
 * texts/messages.json. A new array of
 * {"code","level":"bad"|"warn"|"hint","text","action","href","link"}, worst first, a hint last: all
 * is well all the same; action: what to do; href and link: the page where that can be done, and its
 * name. */
json_t *problems_find(
    const json_t *proxy, const json_t *keeper, const json_t *messages, enum lang lang);

#endif
