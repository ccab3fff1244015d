/* HKDF (RFC 5869) with SHA-256, and the HMAC (RFC 2104) under it, on OpenSSL's digest.
 *
 * Owns: nothing that lasts; its working memory is wiped. OpenSSL's own EVP_KDF does the same at several times the price of a
 * digest, and HPKE needs eight of these for one message.
 * Refuses to know: HPKE's labels. Every failure is "crypto_failed". */
#ifndef GRID_CRYPTO_HKDF_H
#define GRID_CRYPTO_HKDF_H

#include "base/error.h"
#include "base/slice.h"

enum { GRID_HASH_SIZE = 32 }; /* Nh */

/* RFC 5869 2.2: PRK = HMAC(salt, IKM). The input comes in parts, as if they were joined. */
bool grid_hkdf_extract(grid_slice salt, const grid_slice *parts, size_t count, unsigned char prk[GRID_HASH_SIZE], grid_error *err);

/* RFC 5869 2.3, of at most one block: size <= GRID_HASH_SIZE, so OKM is the beginning of T(1) = HMAC(PRK, info || 0x01). */
bool grid_hkdf_expand(const unsigned char prk[GRID_HASH_SIZE], const grid_slice *parts, size_t count, unsigned char *okm,
                      size_t size, grid_error *err);

#endif
