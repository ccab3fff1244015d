/* Randomness from the system. No state is kept: a forked process and a copy of the
 * machine never give the same bytes twice. */
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
