/* ECDSA on P-256 with SHA-256, written as base64 of DER (RFC 3279 2.2.3).
 *
 * Owns: hash, signature and its text. Refuses to know: what is signed; canonical form is the caller's affair. */
#ifndef GRID_CRYPTO_SIGNATURE_H
#define GRID_CRYPTO_SIGNATURE_H

#include "crypto/key.h"

/* Appends the base64 text. */
bool grid_signature_create(const grid_key *key, grid_slice message, grid_buffer *signature, grid_error *err);

/* True: the signature holds. Otherwise kind "crypto", "bad_signature". */
bool grid_signature_verify(const grid_public_key *key, grid_slice message, grid_slice signature, grid_error *err);

#endif
