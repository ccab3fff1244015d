/* Hybrid Public Key Encryption (RFC 9180), base mode, single-shot, of one suite:
 * DHKEM(P-256, HKDF-SHA256) 0x0010, HKDF-SHA256 0x0001, ChaCha20-Poly1305 0x0003.
 *
 * Owns: the suite's steps, in the RFC's names and order (hpke_internal.h shows them to
 * the tests), and the wiping of intermediate secrets.
 * Does not know: base64, JSON, and what the plaintext is.
 * Output is appended to the caller's buffers, all or nothing. */
#ifndef GRID_CRYPTO_HPKE_H
#define GRID_CRYPTO_HPKE_H

#include "crypto/key.h"

enum {
    GRID_HPKE_ENC_SIZE = GRID_POINT_SIZE, /* Nenc */
    GRID_HPKE_TAG_SIZE = 16               /* Nt */
};

/* RFC 9180 6.1, SealBase(pkR, info, aad, pt). For tests and fuzzers: the service seals,
 * and this library only opens. With `ephemeral` NULL a new pair is made, used once and
 * wiped. */
bool grid_hpke_seal(const grid_public_key *recipient, const grid_key *ephemeral, grid_slice info, grid_slice aad,
                    grid_slice plaintext, grid_buffer *enc, grid_buffer *ciphertext, grid_error *err);

/* RFC 9180 6.1, OpenBase(enc, skR, info, aad, ct). Fails with kind "crypto": "bad_point"
 * (enc is not an uncompressed point of the curve) or "open_failed" (the ciphertext is
 * sealed to another key, or was changed: AEAD does not show which). */
bool grid_hpke_open(const grid_key *recipient, grid_slice enc, grid_slice info, grid_slice aad, grid_slice ciphertext,
                    grid_buffer *plaintext, grid_error *err);

#endif
