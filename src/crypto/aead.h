/* Authenticated encryption: ChaCha20-Poly1305 (RFC 8439 2.8), by OpenSSL's cipher.
 *
 * Owns: the order of ciphertext and tag (RFC 5116 5.1: the tag comes last), and the
 * wiping of a plaintext whose tag is wrong.
 * Does not know: where keys and nonces come from. A nonce must not be used twice with one
 * key. Output is appended to the caller's buffer, all or nothing. */
#ifndef GRID_CRYPTO_AEAD_H
#define GRID_CRYPTO_AEAD_H

#include "base/buffer.h"
#include "base/slice.h"

enum {
    GRID_AEAD_KEY_SIZE = 32,   /* Nk */
    GRID_AEAD_NONCE_SIZE = 12, /* Nn */
    GRID_AEAD_TAG_SIZE = 16    /* Nt */
};

/* Appends the ciphertext and its tag. Fails with kind "crypto": "too_large",
 * "crypto_failed". */
bool grid_aead_seal(const unsigned char key[GRID_AEAD_KEY_SIZE],
                    const unsigned char nonce[GRID_AEAD_NONCE_SIZE], grid_slice aad,
                    grid_slice plaintext, grid_buffer *ciphertext, grid_error *err);

/* Appends the plaintext. Fails like grid_aead_seal, and with "open_failed": the key,
 * the nonce or the aad is not the one of the seal, or a byte was changed. The tag does
 * not show which. */
bool grid_aead_open(const unsigned char key[GRID_AEAD_KEY_SIZE],
                    const unsigned char nonce[GRID_AEAD_NONCE_SIZE], grid_slice aad,
                    grid_slice ciphertext, grid_buffer *plaintext, grid_error *err);

#endif
