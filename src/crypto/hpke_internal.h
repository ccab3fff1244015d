/* The steps of HPKE, included only by hpke.c and by the test that compares each step with
 * RFC 9180 A.5.1.
 *
 * Owns: nothing; the caller wipes the results. Does not know: what hpke.h does not. */
#ifndef GRID_CRYPTO_HPKE_INTERNAL_H
#define GRID_CRYPTO_HPKE_INTERNAL_H

#include "crypto/aead.h"
#include "crypto/hkdf.h"
#include "crypto/hpke.h"

#include <stdint.h>

enum {
    GRID_HPKE_SECRET_SIZE = 32,                       /* Nsecret and Ndh, both 32 here */
    GRID_HPKE_KEY_SIZE = GRID_AEAD_KEY_SIZE,          /* Nk */
    GRID_HPKE_NONCE_SIZE = GRID_AEAD_NONCE_SIZE,      /* Nn */
    GRID_HPKE_SCHEDULE_SIZE = 1 + 2 * GRID_HASH_SIZE, /* mode, psk_id_hash, info_hash */
};

/* RFC 9180 4: which of the two suite_ids goes into a label. */
typedef enum grid_hpke_suite {
    GRID_HPKE_KEM, /* "KEM" || I2OSP(kem_id, 2) */
    GRID_HPKE_ALL  /* "HPKE" || I2OSP(kem_id, 2) || the same of kdf_id and aead_id */
} grid_hpke_suite;

/* RFC 9180 4. */
bool grid_hpke_labeled_extract(grid_hpke_suite suite, grid_slice salt, const char *label, grid_slice ikm,
                               unsigned char prk[GRID_HASH_SIZE], grid_error *err);
bool grid_hpke_labeled_expand(grid_hpke_suite suite, const unsigned char prk[GRID_HASH_SIZE], const char *label, grid_slice info,
                              unsigned char *okm, size_t size, grid_error *err);

/* RFC 9180 4.1. */
bool grid_hpke_extract_and_expand(const unsigned char dh[GRID_HPKE_SECRET_SIZE], grid_slice kem_context,
                                  unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_error *err);
bool grid_hpke_encap(const grid_public_key *recipient, const grid_key *ephemeral,
                     unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], unsigned char enc[GRID_HPKE_ENC_SIZE], grid_error *err);
bool grid_hpke_decap(grid_slice enc, const grid_key *recipient, unsigned char shared_secret[GRID_HPKE_SECRET_SIZE],
                     grid_error *err);

/* RFC 9180 5.1: the results, and the two intermediate values that the RFC lists. */
typedef struct grid_hpke_context {
    unsigned char key_schedule_context[GRID_HPKE_SCHEDULE_SIZE];
    unsigned char secret[GRID_HASH_SIZE];
    unsigned char key[GRID_HPKE_KEY_SIZE];
    unsigned char base_nonce[GRID_HPKE_NONCE_SIZE];
    unsigned char exporter_secret[GRID_HASH_SIZE];
} grid_hpke_context;

bool grid_hpke_key_schedule(const unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_slice info, grid_hpke_context *context,
                            grid_error *err);

/* RFC 9180 5.2. Single-shot messages have the sequence number 0. */
void grid_hpke_compute_nonce(const grid_hpke_context *context, uint64_t sequence, unsigned char nonce[GRID_HPKE_NONCE_SIZE]);
bool grid_hpke_context_seal(const grid_hpke_context *context, uint64_t sequence, grid_slice aad, grid_slice plaintext,
                            grid_buffer *ciphertext, grid_error *err);
bool grid_hpke_context_open(const grid_hpke_context *context, uint64_t sequence, grid_slice aad, grid_slice ciphertext,
                            grid_buffer *plaintext, grid_error *err);

#endif
