/* Keys on the curve P-256.
 *
 * Owns: a key pair (`grid_key`), a public key (`grid_public_key`, a plain value), and
 * their written forms: SEC 1 points, SPKI (RFC 5480), PKCS#8 (RFC 5208, RFC 5915),
 * PEM, the service's prefixes. A key is valid: the point is on the curve and not at
 * infinity, the scalar is in 1..n-1, and the two belong together. grid_key_free wipes.
 * Does not know: what the keys are used for, and other curves. */
#ifndef GRID_CRYPTO_KEY_H
#define GRID_CRYPTO_KEY_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"
#include "crypto/fingerprint.h"

enum {
    GRID_POINT_SIZE = 65, /* SEC 1 2.3.3, uncompressed: 0x04, x, y */
    GRID_SCALAR_SIZE = 32,
    GRID_KEY_TEXT_MAX = 4096,      /* of base64; a longer text is refused */
    GRID_KEY_PEM_MAX = 64 * 1024 /* of PEM with certificates */
};

/* The functions below fail with kind "crypto": "bad_key" (no known form, or the halves do
 * not belong together), "bad_point", "bad_scalar", "wrong_curve", "crypto_failed"
 * (OpenSSL failed, or has no memory). No message holds a byte of a key. */

/* Only these functions fill a public key, so its point is valid. */
typedef struct grid_public_key {
    unsigned char point[GRID_POINT_SIZE];
} grid_public_key;

/* SEC 1 2.3.4: 65 bytes uncompressed, or 33 compressed. */
bool grid_public_key_from_point(grid_slice point, grid_public_key *key, grid_error *err);

/* Appends the base64 of the 91-byte SPKI DER. */
bool grid_public_key_to_text(const grid_public_key *key, grid_buffer *out, grid_error *err);

/* "p256:" and the first 8 bytes of SHA-256 over the 91-byte SPKI DER, for logs. */
bool grid_public_key_fingerprint(const grid_public_key *key, char fingerprint[GRID_FINGERPRINT_SIZE], grid_error *err);

typedef struct grid_key grid_key;

grid_key *grid_key_new_random(grid_error *err);

/* A private key, written as base64 of PKCS#8 DER, with or without the public key (138, 67
 * or any other length that DER allows); base64 of the 68 bytes that the TypeScript SDK
 * exports: a PKCS#8 of 138 bytes, cut after the scalar; either of them after
 * "wallet-auth:" or "wallet-api:"; PEM, "PRIVATE KEY" or "EC PRIVATE KEY", alone or among
 * certificates, parameters and attributes. Blanks and line breaks are skipped, also
 * those that are spelled \n, and so are a byte order mark and quotes around the text. An
 * encrypted key is refused with that reason. */
grid_key *grid_key_new_from_text(grid_slice text, grid_error *err);

/* For tests, whose vectors have the 32 bytes of the scalar, big-endian (RFC 9180 7.1.2,
 * DeserializePrivateKey). */
grid_key *grid_key_new_from_scalar(grid_slice scalar, grid_error *err);

void grid_key_free(grid_key *key); /* NULL is fine */

/* Borrowed: lives as long as the pair. */
const grid_public_key *grid_key_public(const grid_key *key);

/* Appends the base64 of the 138-byte PKCS#8 DER: a secret. */
bool grid_key_export(const grid_key *key, grid_buffer *out, grid_error *err);

#endif
