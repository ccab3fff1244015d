/* The body of POST /auth/refresh-session.
 *
 * Owns: its two members, and what a stored kms_payload must be before it may be sent. The
 * payload is copied byte for byte.
 * Does not know: HTTP, Lua, and what the tokens inside mean. */
#ifndef GRID_TEXT_REFRESH_H
#define GRID_TEXT_REFRESH_H

#include "base/buffer.h"
#include "base/slice.h"

/* `kms_payload` NULL leaves the member out (the cookie flow). With `is_checked` a payload
 * that is known to be JSON without a Turnkey session is not validated again. Fails with
 * kind "request": "bad_payload" (not one JSON object), "private_key" (the payload has
 * such a member), "turnkey_session" (the service does not refresh those), "bad_utf8" (the
 * key's text). */
bool grid_refresh_body(grid_slice encryption_public_key, const grid_slice *kms_payload, bool is_checked,
                       grid_buffer *out, grid_error *err);

#endif
