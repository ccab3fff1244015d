/* The escapes of JSON strings (RFC 8259 section 7).
 *
 * Owns: the meaning of an escape, for the files of this room. Does not know: where a
 * string is. Takes text that grid_json_validate accepted. */
#ifndef GRID_TEXT_JSON_STRING_H
#define GRID_TEXT_JSON_STRING_H

#include "text/utf8.h"

#include <stdbool.h>
#include <stdint.h>

/* The code point of the escape whose backslash stands at *at, which moves past it. Two
 * escapes that are a surrogate pair count as one; a lone surrogate is returned as it
 * is. */
uint32_t grid_json_escape_read(const char **at, const char *end);

bool grid_json_is_surrogate(uint32_t code_point);

/* The same as UTF-8, which has no place for lone surrogates: they become U+FFFD. Returns
 * the length. */
size_t grid_json_unescape(const char **at, const char *end, char bytes[GRID_UTF8_MAX]);

#endif
