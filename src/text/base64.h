/* Base64: the standard alphabet with padding (RFC 4648 section 4), and base64url without
 * padding (RFC 4648 section 5, as RFC 7515 uses it).
 *
 * Owns: the alphabets. Each run of bytes has one text: line breaks, blanks, and
 * characters of the other alphabet are refused.
 * Does not know: what the bytes are. */
#ifndef GRID_TEXT_BASE64_H
#define GRID_TEXT_BASE64_H

#include "base/buffer.h"
#include "base/slice.h"

/* All append to `out`, all or nothing. Decoding fails with kind "request", code
 * "bad_base64". */
bool grid_base64_encode(grid_slice bytes, grid_buffer *out, grid_error *err);
bool grid_base64_decode(grid_slice text, grid_buffer *out, grid_error *err);
bool grid_base64url_encode(grid_slice bytes, grid_buffer *out, grid_error *err);
bool grid_base64url_decode(grid_slice text, grid_buffer *out, grid_error *err);

#endif
