/*
 * /api/uploads: SQL files in pieces, by the tus protocol 1.0.0
 * (https://tus.io/protocols/resumable-upload), core with the extensions creation and termination.
 * The store is upload_store.h.
 *
 *     OPTIONS /api/uploads      what is supported
 *     GET     /api/uploads      the uploads that there are, as JSON
 *     POST    /api/uploads      Upload-Length, Upload-Metadata: filename BASE64 -> 201, Location
 *     HEAD    /api/uploads/ID   -> Upload-Offset, Upload-Length
 *     PATCH   /api/uploads/ID   Upload-Offset, application/offset+octet-stream -> 204,
 * Upload-Offset DELETE  /api/uploads/ID   -> 204
 *
 * What changes something wants the CSRF token in X-CSRF-Token.
 */
#ifndef ELEXGATE_CONSOLE_HTTP_UPLOADS_H
#define ELEXGATE_CONSOLE_HTTP_UPLOADS_H

#include "console/http/request.h"

/* Called by dispatch.c as the request goes on. */
void uploads_head(struct request *rq); /* may answer */
void uploads_body(struct request *rq, const char *data, size_t len);
void uploads_answer(struct request *rq);
void uploads_broken_off(struct request *rq); /* the peer went away in mid-upload */

#endif
