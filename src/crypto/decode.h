/* Base64 on its way into this room.
 *
 * Owns: turning "not base64" into the room's own kind of failure; "out_of_memory" passes unchanged.
 * Refuses to know: what the bytes are. */
#ifndef GRID_CRYPTO_DECODE_H
#define GRID_CRYPTO_DECODE_H

#include "base/buffer.h"
#include "base/slice.h"

/* Appends the bytes. What is not canonical base64, or more than `out` may hold, is kind "crypto" with this code. */
bool grid_crypto_decode(grid_slice text, const char *code, const char *message, grid_buffer *out, grid_error *err);

#endif
