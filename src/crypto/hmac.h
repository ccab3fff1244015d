/* SHA-256, and HMAC (RFC 2104) with it, by OpenSSL's EVP_MD and EVP_MAC.
 *
 * Owns: nothing. Does not know: what is hashed or authenticated.
 * Fails with kind "crypto", code "crypto_failed". */
#ifndef GRID_CRYPTO_HMAC_H
#define GRID_CRYPTO_HMAC_H

#include "base/error.h"
#include "base/slice.h"

#include <stddef.h>

enum { GRID_HASH_SIZE = 32 }; /* Nh */

/* The message is the parts, joined. */
bool grid_hmac_sha256(grid_slice key, const grid_slice *parts, size_t count,
                      unsigned char tag[GRID_HASH_SIZE], grid_error *err);

bool grid_sha256(grid_slice text, unsigned char digest[GRID_HASH_SIZE], grid_error *err);

#endif
