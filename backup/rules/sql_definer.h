/*
 * Who a view, a routine, a trigger or an event of an SQL text says it belongs to. Only an account
 * with SET USER may name another one than itself, and whoever reads a text in should not have that:
 * the name is replaced by CURRENT_USER, remembered, and put right afterwards. Pure.
 */
#ifndef ELEXGATE_BACKUP_RULES_SQL_DEFINER_H
#define ELEXGATE_BACKUP_RULES_SQL_DEFINER_H

#include "backup/rules/sql_lexer.h"

enum sql_object {
    SQL_VIEW,
    SQL_PROCEDURE,
    SQL_FUNCTION,
    SQL_PACKAGE,
    SQL_PACKAGE_BODY,
    SQL_TRIGGER,
    SQL_EVENT,
    SQL_OBJECTS
};

struct sql_definer {
    enum sql_object object;
    char name[260];            /* of the object, without its schema */
    char user[520], host[260]; /* user is empty for CURRENT_USER and where none is named */
    size_t at, len;            /* where the account stands in the statement; len 0: not at all */
};

/* The statement makes or alters an object that has a definer. */
bool sql_definer_find(const struct sql_statement *s, struct sql_definer *out);

#endif
