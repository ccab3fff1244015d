/* HKDF (RFC 5869) with SHA-256, by crypto/hmac.h.
 *
 * Owns: the wiping of intermediate blocks. EVP_KDF of OpenSSL is not used, since it takes
 * its input in one piece, while HPKE gives parts.
 * Does not know: HPKE's labels. Fails with kind "crypto": "too_large",
 * "crypto_failed". */
#ifndef GRID_CRYPTO_HKDF_H
#define GRID_CRYPTO_HKDF_H

#include "crypto/hmac.h"

enum { GRID_HKDF_MAX_SIZE = 255 * GRID_HASH_SIZE, GRID_HKDF_MAX_PARTS = 6 };

/* RFC 5869 2.2: PRK = HMAC(salt, IKM). IKM is the parts, joined. */
bool grid_hkdf_extract(grid_slice salt, const grid_slice *parts, size_t count,
                       unsigned char prk[GRID_HASH_SIZE], grid_error *err);

/* RFC 5869 2.3: OKM is the first `size` bytes of T(1) || T(2) || …; `parts` are those of
 * info. */
bool grid_hkdf_expand(const unsigned char prk[GRID_HASH_SIZE], const grid_slice *parts, size_t count,
                      unsigned char *okm, size_t size, grid_error *err);

#endif
