#include "crypto/hpke.h"

#include "base/alloc.h"
#include "crypto/hpke_internal.h"
#include "crypto/key_internal.h"
#include "crypto/library.h"

#include <string.h>

enum { MODE_BASE = 0x00 };

static const grid_slice nothing = {"", 0};

static grid_slice bytes_of(const unsigned char *bytes, size_t size)
{
    return (grid_slice){(const char *)bytes, size};
}

static grid_slice text_of(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

/* ---- RFC 9180 4: labels ------------------------------------------------------------ */

static const grid_slice version = {"HPKE-v1", 7};

static grid_slice suite_id(grid_hpke_suite suite)
{
    static const grid_slice kem = {"KEM\x00\x10", 5};
    static const grid_slice all = {"HPKE\x00\x10\x00\x01\x00\x03", 10};

    return suite == GRID_HPKE_KEM ? kem : all;
}

bool grid_hpke_labeled_extract(grid_hpke_suite suite, grid_slice salt, const char *label, grid_slice ikm,
                               unsigned char prk[GRID_HASH_SIZE], grid_error *err)
{
    const grid_slice labeled_ikm[] = {version, suite_id(suite), text_of(label), ikm};

    return grid_hkdf_extract(salt, labeled_ikm, 4, prk, err);
}

bool grid_hpke_labeled_expand(grid_hpke_suite suite, const unsigned char prk[GRID_HASH_SIZE], const char *label, grid_slice info,
                              unsigned char *okm, size_t size, grid_error *err)
{
    const unsigned char length[] = {(unsigned char)(size >> 8), (unsigned char)size};
    const grid_slice labeled_info[] = {bytes_of(length, 2), version, suite_id(suite), text_of(label), info};

    return grid_hkdf_expand(prk, labeled_info, 5, okm, size, err);
}

/* ---- RFC 9180 4.1: DHKEM ----------------------------------------------------------- */

bool grid_hpke_extract_and_expand(const unsigned char dh[GRID_HPKE_SECRET_SIZE], grid_slice kem_context,
                                  unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_error *err)
{
    unsigned char eae_prk[GRID_HASH_SIZE];
    bool done = grid_hpke_labeled_extract(GRID_HPKE_KEM, nothing, "eae_prk", bytes_of(dh, GRID_HPKE_SECRET_SIZE), eae_prk, err) &&
                grid_hpke_labeled_expand(GRID_HPKE_KEM, eae_prk, "shared_secret", kem_context, shared_secret,
                                         GRID_HPKE_SECRET_SIZE, err);

    grid_wipe(eae_prk, sizeof eae_prk);
    return done;
}

/* The peer's point was validated when it became a grid_public_key: a second validation
 * would cost as much as the derivation. */
static bool diffie_hellman(const grid_key *own, const grid_public_key *peer, unsigned char dh[GRID_HPKE_SECRET_SIZE],
                           grid_error *err)
{
    EVP_PKEY *pkey = grid_public_key_new_pkey(peer, err);
    EVP_PKEY_CTX *context;
    size_t size = GRID_HPKE_SECRET_SIZE;
    bool done;

    if (!pkey)
        return false;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, grid_key_pkey(own), NULL);
    done = context && EVP_PKEY_derive_init(context) > 0 && EVP_PKEY_derive_set_peer_ex(context, pkey, 0) > 0 &&
           EVP_PKEY_derive(context, dh, &size) > 0 && size == GRID_HPKE_SECRET_SIZE;
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    return done || grid_library_failed(err);
}

/* Shared by Encap and Decap: DH, then ExtractAndExpand over enc || pkRm. */
static bool agree(const grid_key *own, const grid_public_key *peer, const unsigned char enc[GRID_HPKE_ENC_SIZE],
                  const grid_public_key *recipient, unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_error *err)
{
    unsigned char dh[GRID_HPKE_SECRET_SIZE], kem_context[GRID_HPKE_ENC_SIZE + GRID_POINT_SIZE];
    bool done;

    memcpy(kem_context, enc, GRID_HPKE_ENC_SIZE);
    memcpy(kem_context + GRID_HPKE_ENC_SIZE, recipient->point, GRID_POINT_SIZE);
    done = diffie_hellman(own, peer, dh, err) &&
           grid_hpke_extract_and_expand(dh, bytes_of(kem_context, sizeof kem_context), shared_secret, err);
    grid_wipe(dh, sizeof dh);
    return done;
}

bool grid_hpke_encap(const grid_public_key *recipient, const grid_key *ephemeral,
                     unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], unsigned char enc[GRID_HPKE_ENC_SIZE], grid_error *err)
{
    memcpy(enc, grid_key_public(ephemeral)->point, GRID_HPKE_ENC_SIZE);
    return agree(ephemeral, recipient, enc, recipient, shared_secret, err);
}

bool grid_hpke_decap(grid_slice enc, const grid_key *recipient, unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_error *err)
{
    grid_public_key ephemeral;

    /* RFC 9180 7.1.1: enc is the uncompressed form, no other. */
    if (enc.size != GRID_HPKE_ENC_SIZE)
        return grid_error_set(err, GRID_CRYPTO, "bad_point", "the encapsulated key is not 65 bytes long");
    return grid_public_key_from_point(enc, &ephemeral, err) &&
           agree(recipient, &ephemeral, ephemeral.point, grid_key_public(recipient), shared_secret, err);
}

/* ---- RFC 9180 5.1: key schedule ---------------------------------------------------- */

bool grid_hpke_key_schedule(const unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], grid_slice info, grid_hpke_context *context,
                            grid_error *err)
{
    unsigned char *psk_id_hash = context->key_schedule_context + 1;
    unsigned char *info_hash = psk_id_hash + GRID_HASH_SIZE;
    grid_slice salt = bytes_of(shared_secret, GRID_HPKE_SECRET_SIZE);
    grid_slice schedule = bytes_of(context->key_schedule_context, sizeof context->key_schedule_context);

    context->key_schedule_context[0] = MODE_BASE;
    return grid_hpke_labeled_extract(GRID_HPKE_ALL, nothing, "psk_id_hash", nothing, psk_id_hash, err) &&
           grid_hpke_labeled_extract(GRID_HPKE_ALL, nothing, "info_hash", info, info_hash, err) &&
           grid_hpke_labeled_extract(GRID_HPKE_ALL, salt, "secret", nothing, context->secret, err) &&
           grid_hpke_labeled_expand(GRID_HPKE_ALL, context->secret, "key", schedule, context->key, sizeof context->key, err) &&
           grid_hpke_labeled_expand(GRID_HPKE_ALL, context->secret, "base_nonce", schedule, context->base_nonce,
                                    sizeof context->base_nonce, err) &&
           grid_hpke_labeled_expand(GRID_HPKE_ALL, context->secret, "exp", schedule, context->exporter_secret,
                                    sizeof context->exporter_secret, err);
}

/* ---- RFC 9180 5.2: encryption and decryption --------------------------------------- */

void grid_hpke_compute_nonce(const grid_hpke_context *context, uint64_t sequence, unsigned char nonce[GRID_HPKE_NONCE_SIZE])
{
    memcpy(nonce, context->base_nonce, GRID_HPKE_NONCE_SIZE);
    for (size_t i = GRID_HPKE_NONCE_SIZE; sequence; sequence >>= 8)
        nonce[--i] ^= (unsigned char)sequence;
}

bool grid_hpke_context_seal(const grid_hpke_context *context, uint64_t sequence, grid_slice aad, grid_slice plaintext,
                            grid_buffer *ciphertext, grid_error *err)
{
    unsigned char nonce[GRID_HPKE_NONCE_SIZE];

    grid_hpke_compute_nonce(context, sequence, nonce);
    return grid_aead_seal(context->key, nonce, aad, plaintext, ciphertext, err);
}

bool grid_hpke_context_open(const grid_hpke_context *context, uint64_t sequence, grid_slice aad, grid_slice ciphertext,
                            grid_buffer *plaintext, grid_error *err)
{
    unsigned char nonce[GRID_HPKE_NONCE_SIZE];

    grid_hpke_compute_nonce(context, sequence, nonce);
    return grid_aead_open(context->key, nonce, aad, ciphertext, plaintext, err);
}

/* ---- RFC 9180 6.1: single-shot ----------------------------------------------------- */

static bool seal_with(const grid_public_key *recipient, const grid_key *ephemeral, grid_slice info, grid_slice aad,
                      grid_slice plaintext, grid_buffer *enc, grid_buffer *ciphertext, grid_error *err)
{
    unsigned char shared_secret[GRID_HPKE_SECRET_SIZE], encapsulated[GRID_HPKE_ENC_SIZE];
    grid_hpke_context context;
    bool done = grid_buffer_reserve(enc, sizeof encapsulated, err) &&
                grid_hpke_encap(recipient, ephemeral, shared_secret, encapsulated, err) &&
                grid_hpke_key_schedule(shared_secret, info, &context, err) &&
                grid_hpke_context_seal(&context, 0, aad, plaintext, ciphertext, err) &&
                grid_buffer_append(enc, encapsulated, sizeof encapsulated, err);

    grid_wipe(shared_secret, sizeof shared_secret);
    grid_wipe(&context, sizeof context);
    return done;
}

bool grid_hpke_seal(const grid_public_key *recipient, const grid_key *ephemeral, grid_slice info, grid_slice aad,
                    grid_slice plaintext, grid_buffer *enc, grid_buffer *ciphertext, grid_error *err)
{
    grid_key *fresh;
    bool done;

    if (ephemeral)
        return seal_with(recipient, ephemeral, info, aad, plaintext, enc, ciphertext, err);
    fresh = grid_key_new_random(err);
    done = fresh && seal_with(recipient, fresh, info, aad, plaintext, enc, ciphertext, err);
    grid_key_free(fresh);
    return done;
}

bool grid_hpke_open(const grid_key *recipient, grid_slice enc, grid_slice info, grid_slice aad, grid_slice ciphertext,
                    grid_buffer *plaintext, grid_error *err)
{
    unsigned char shared_secret[GRID_HPKE_SECRET_SIZE];
    grid_hpke_context context;
    bool done = grid_hpke_decap(enc, recipient, shared_secret, err) &&
                grid_hpke_key_schedule(shared_secret, info, &context, err) &&
                grid_hpke_context_open(&context, 0, aad, ciphertext, plaintext, err);

    grid_wipe(shared_secret, sizeof shared_secret);
    grid_wipe(&context, sizeof context);
    return done;
}
