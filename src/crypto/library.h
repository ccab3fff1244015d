/* The one door to OpenSSL's algorithms: fetched once per process, shared by everybody, never written to.
 *
 * Owns: the fetched objects, from the first use until the process ends. A fork keeps them. A first
 * use that fails (no memory, a provider that is missing) is tried anew by the next one.
 * Refuses to know: keys. Thread-safe. */
#ifndef GRID_CRYPTO_LIBRARY_H
#define GRID_CRYPTO_LIBRARY_H

#include "base/error.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

typedef struct grid_library {
    EVP_MD *sha256;
    EVP_CIPHER *chacha20_poly1305;
    EVP_MAC_CTX *hmac_sha256;  /* without a key; copying it is faster than naming the digest */
    EC_GROUP *p256;            /* for arithmetic on points */
    EVP_PKEY *p256_parameters; /* a key without a key: copying it is three times as fast as naming the curve */
} grid_library;

const grid_library *grid_library_get(grid_error *err); /* NULL and "crypto_failed" */

/* For failures that say nothing about the input: no memory, a broken provider. Empties OpenSSL's error queue; returns false. */
bool grid_library_failed(grid_error *err);

/* For failures that do, unless the queue says that there was no memory: sets kind "crypto" and empties the queue; returns false. */
bool grid_library_refused(grid_error *err, const char *code, const char *message);

#endif
