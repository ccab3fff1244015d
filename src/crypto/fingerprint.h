/* Fingerprints: the part of a key or a token that logs may show.
 *
 * Owns: their form. Does not know: the input, which must be too random to be guessed. */
#ifndef GRID_CRYPTO_FINGERPRINT_H
#define GRID_CRYPTO_FINGERPRINT_H

#include "base/error.h"
#include "base/slice.h"

enum { GRID_FINGERPRINT_SIZE = 22 }; /* four letters, ':', 16 hexadecimal digits, NUL */

/* The first 8 bytes of SHA-256, behind `kind` of four letters. Fails with
 * "crypto_failed". */
bool grid_fingerprint(const char *kind, grid_slice bytes, char fingerprint[GRID_FINGERPRINT_SIZE], grid_error *err);

#endif
