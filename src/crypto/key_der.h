/* P-256 keys as DER: PKCS#8 (RFC 5208 and 5958), ECPrivateKey (RFC 5915), and SPKI (RFC
 * 5480), which is only written.
 *
 * Owns: lengths, tags and object identifiers. Reading is strict DER: shortest lengths, no
 * bytes left over. The results are slices of the caller's bytes.
 * Does not know: OpenSSL, arithmetic, text. key.c checks that a point is on the curve and
 * belongs to the scalar. Codes: "bad_key", "wrong_curve". */
#ifndef GRID_CRYPTO_KEY_DER_H
#define GRID_CRYPTO_KEY_DER_H

#include "crypto/key.h"

enum { GRID_SPKI_SIZE = 91, GRID_PKCS8_SIZE = 138 };

/* A private key may state its public key twice, inside ECPrivateKey and as in RFC 5958; a
 * point that is not stated has size 0. */
typedef struct grid_private_der {
    grid_slice scalar; /* 1 to 32 bytes, big-endian */
    grid_slice points[2];
} grid_private_der;

/* PKCS#8, or the SDK's form of it, which ends after the scalar. */
bool grid_der_read_pkcs8(grid_slice der, grid_private_der *key, grid_error *err);

/* ECPrivateKey by itself, as in "EC PRIVATE KEY": the text must name the curve. */
bool grid_der_read_ec_private_key(grid_slice der, grid_private_der *key, grid_error *err);

/* Either of them. */
bool grid_der_read_private_key(grid_slice der, grid_private_der *key, grid_error *err);

void grid_der_write_spki(const unsigned char point[GRID_POINT_SIZE], unsigned char der[GRID_SPKI_SIZE]);
void grid_der_write_pkcs8(const unsigned char scalar[GRID_SCALAR_SIZE], const unsigned char point[GRID_POINT_SIZE],
                          unsigned char der[GRID_PKCS8_SIZE]);

#endif
