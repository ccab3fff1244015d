/* OpenSSL's algorithms: fetched once per process, shared by all threads, read only.
 *
 * Owns: the fetched objects, from the first use until the process ends. A child of fork
 * keeps them. If the first use fails (no memory, a missing provider), the next use
 * fetches again.
 * Does not know: keys. */
#ifndef GRID_CRYPTO_LIBRARY_H
#define GRID_CRYPTO_LIBRARY_H

#include "base/error.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

typedef struct grid_library {
    EVP_MD *sha256;
    EVP_CIPHER *chacha20_poly1305;
    EVP_MAC_CTX *hmac_sha256;  /* without a key; copying is faster than naming SHA-256 */
    EC_GROUP *p256;            /* for arithmetic on points */
    EVP_PKEY *p256_parameters; /* without a key; copying is faster than naming P-256 */
} grid_library;

const grid_library *grid_library_get(grid_error *err); /* NULL and "crypto_failed" */

/* For failures that do not depend on the input: no memory, a broken provider. Empties
 * OpenSSL's error queue; returns false. */
bool grid_library_failed(grid_error *err);

/* For failures that depend on the input. Sets kind "crypto" and this code, or
 * "crypto_failed" if OpenSSL's error queue holds an allocation failure; empties the
 * queue; returns false. */
bool grid_library_refused(grid_error *err, const char *code, const char *message);

#endif
