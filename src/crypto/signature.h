/* ECDSA on P-256 with SHA-256, written as base64 of DER (RFC 3279 2.2.3), or as the two
 * numbers r || s of 32 bytes each, as JWS has it (ES256, RFC 7518 3.4).
 *
 * Owns: hash, signature and its forms. Does not know: what is signed; the caller makes
 * the canonical form. */
#ifndef GRID_CRYPTO_SIGNATURE_H
#define GRID_CRYPTO_SIGNATURE_H

#include "crypto/key.h"

/* Appends the base64 text. */
bool grid_signature_create(const grid_key *key, grid_slice message, grid_buffer *signature, grid_error *err);

enum { GRID_SIGNATURE_RAW_SIZE = 64 };

/* Writes r || s. */
bool grid_signature_create_raw(const grid_key *key, grid_slice message,
                               unsigned char signature[GRID_SIGNATURE_RAW_SIZE], grid_error *err);

#endif
