/* Opens the authorization key that the service seals to a key of the caller.
 *
 * Owns: the two base64 members of `encrypted_authorization_key`, and the form of the
 * plaintext.
 * Does not know: JSON, sessions, expiry. */
#ifndef GRID_CRYPTO_AUTHORIZATION_H
#define GRID_CRYPTO_AUTHORIZATION_H

#include "crypto/key.h"

/* Fails with kind "crypto" and grid_hpke_open's codes, or those of grid_key_new_from_text
 * if the plaintext is no private key. */
grid_key *grid_authorization_open(const grid_key *recipient, grid_slice encapsulated_key, grid_slice ciphertext, grid_error *err);

#endif
