/* Standard base64 (RFC 4648 section 4), with padding.
 *
 * Owns: the alphabet. Refuses to know: what the bytes are, and line breaks, blanks or the URL
 * alphabet: what is not exactly canonical is refused. */
#ifndef GRID_TEXT_BASE64_H
#define GRID_TEXT_BASE64_H

#include "base/buffer.h"
#include "base/slice.h"

/* Both append to `out`, all or nothing. Decoding fails with kind "request", code "bad_base64". */
bool grid_base64_encode(grid_slice bytes, grid_buffer *out, grid_error *err);
bool grid_base64_decode(grid_slice text, grid_buffer *out, grid_error *err);

#endif
