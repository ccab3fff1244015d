/* Decodes base64 for the files of this room.
 *
 * Owns: reporting "not base64" as a failure of kind "crypto"; "out_of_memory" passes
 * unchanged.
 * Does not know: what the bytes are. */
#ifndef GRID_CRYPTO_DECODE_H
#define GRID_CRYPTO_DECODE_H

#include "base/buffer.h"
#include "base/slice.h"

/* Appends the bytes. Fails with kind "crypto" and `code` if the text is not canonical
 * base64, or has more bytes than `out` may hold. */
bool grid_crypto_decode(grid_slice text, const char *code, const char *message, grid_buffer *out, grid_error *err);

#endif
