/* Random bytes of the system, and UUIDs.
 *
 * Owns: no state, so that a child of fork, or a copy of a virtual machine, generates
 * other bytes than its original. Does not know: the use of the bytes. */
#ifndef GRID_CRYPTO_RANDOM_H
#define GRID_CRYPTO_RANDOM_H

#include "base/error.h"

#include <stddef.h>

enum { GRID_UUID_SIZE = 37 }; /* with the NUL */

/* Fails with kind "crypto", code "no_randomness". */
bool grid_random_bytes(void *bytes, size_t size, grid_error *err);

/* A version 4 UUID (RFC 9562 5.4) in lower case. Fails like grid_random_bytes. */
bool grid_random_uuid(char uuid[GRID_UUID_SIZE], grid_error *err);

#endif
