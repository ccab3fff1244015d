/* The JSON Canonicalization Scheme (RFC 8785), on bytes.
 *
 * Owns: member order by UTF-16 code units, ECMAScript's number form, the escapes of
 * section 3.2.2.2. Does not know: Lua tables, and what the result is for. */
#ifndef GRID_TEXT_CANONICAL_H
#define GRID_TEXT_CANONICAL_H

#include "base/buffer.h"
#include "base/slice.h"

/* Appends the canonical form. Fails with kind "request": what grid_json_validate refuses,
 * duplicate names ("duplicate_name"), lone surrogates ("lone_surrogate"), numbers beyond
 * a double ("number_range"). */
bool grid_canonicalize(grid_slice text, grid_buffer *out, grid_error *err);

#endif
