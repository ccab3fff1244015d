/* UTF-8 (RFC 3629), one character at a time.
 *
 * Owns: which byte sequences are a character: no overlong forms, no surrogates, nothing
 * above U+10FFFF. Does not know: JSON, and what a character means. Never reads at or past
 * `end`. */
#ifndef GRID_TEXT_UTF8_H
#define GRID_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { GRID_UTF8_MAX = 4, GRID_UTF8_REPLACEMENT = 0xFFFD };

/* Bytes of the character that begins at `at`, which is before `end`; 0 when there is
 * none. */
size_t grid_utf8_length(const char *at, const char *end);

/* Writes a code point that is not a surrogate; returns its length. */
size_t grid_utf8_write(uint32_t code_point, char bytes[GRID_UTF8_MAX]);

#endif
