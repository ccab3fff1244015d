/* OpenSSL's objects of the keys, and a pair from DER, for the files of this room only.
 *
 * Owns: nothing; see crypto/key.h. Does not know: text. */
#ifndef GRID_CRYPTO_KEY_INTERNAL_H
#define GRID_CRYPTO_KEY_INTERNAL_H

#include "crypto/key.h"
#include "crypto/key_der.h"

#include <openssl/evp.h>

/* Borrowed: lives as long as the pair. */
EVP_PKEY *grid_key_pkey(const grid_key *key);

/* The caller frees it with EVP_PKEY_free. */
EVP_PKEY *grid_public_key_new_pkey(const grid_public_key *key, grid_error *err);

/* Checks the scalar, and that the points that the DER states belong to the scalar. */
grid_key *grid_key_new_from_der(const grid_private_der *der, grid_error *err);

#endif
