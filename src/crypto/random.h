/* Randomness, from OpenSSL's generator or the system's own: safe across fork, fit for keys.
 *
 * Fails with kind "crypto", code "no_randomness" or "crypto_failed", and then nothing in the output is to be used. */
#ifndef GRID_CRYPTO_RANDOM_H
#define GRID_CRYPTO_RANDOM_H

#include "base/error.h"

#include <stddef.h>

enum { GRID_UUID_SIZE = 37 }; /* with the NUL */

bool grid_random_bytes(void *out, size_t size, grid_error *err);

/* A version 4 UUID (RFC 9562 5.4) in lower case: the idempotency key of a call. */
bool grid_random_uuid(char uuid[GRID_UUID_SIZE], grid_error *err);

#endif
