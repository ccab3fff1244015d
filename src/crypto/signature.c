#include "crypto/signature.h"

#include "crypto/decode.h"
#include "crypto/hmac.h"
#include "crypto/key_internal.h"
#include "crypto/library.h"
#include "text/base64.h"

enum { SIGNATURE_MAX = 72 /* SEQUENCE of two INTEGERs of up to 33 bytes */ };

static bool sign(const grid_key *key, grid_slice message, unsigned char der[SIGNATURE_MAX], size_t *size,
                 grid_error *err)
{
    unsigned char digest[GRID_HASH_SIZE];
    EVP_PKEY_CTX *context;
    bool done;

    if (!grid_sha256(message, digest, err))
        return false;
    *size = SIGNATURE_MAX;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, grid_key_pkey(key), NULL);
    done = context && EVP_PKEY_sign_init(context) > 0 &&
           EVP_PKEY_sign(context, der, size, digest, sizeof digest) > 0;
    EVP_PKEY_CTX_free(context);
    /* If its last allocation fails, OpenSSL 3.0 reports success and a size of -1. */
    return (done && *size <= SIGNATURE_MAX) || grid_library_failed(err);
}

bool grid_signature_create(const grid_key *key, grid_slice message, grid_buffer *signature, grid_error *err)
{
    unsigned char der[SIGNATURE_MAX];
    size_t size;

    return sign(key, message, der, &size, err) &&
           grid_base64_encode((grid_slice){(const char *)der, size}, signature, err);
}

bool grid_signature_create_raw(const grid_key *key, grid_slice message,
                               unsigned char signature[GRID_SIGNATURE_RAW_SIZE], grid_error *err)
{
    enum { HALF = GRID_SIGNATURE_RAW_SIZE / 2 };
    unsigned char der[SIGNATURE_MAX];
    const unsigned char *at = der;
    ECDSA_SIG *numbers;
    size_t size;
    bool done;

    if (!sign(key, message, der, &size, err))
        return false;
    numbers = d2i_ECDSA_SIG(NULL, &at, (long)size);
    done = numbers && BN_bn2binpad(ECDSA_SIG_get0_r(numbers), signature, HALF) == HALF &&
           BN_bn2binpad(ECDSA_SIG_get0_s(numbers), signature + HALF, HALF) == HALF;
    ECDSA_SIG_free(numbers);
    return done || grid_library_failed(err);
}

/* X.690 10.1: any encoding but DER is refused. */
static bool is_der(const grid_buffer *der)
{
    const unsigned char *at = (const unsigned char *)der->data;
    ECDSA_SIG *numbers = d2i_ECDSA_SIG(NULL, &at, (long)der->size);
    bool same_size = numbers && i2d_ECDSA_SIG(numbers, NULL) == (int)der->size;

    ECDSA_SIG_free(numbers);
    return same_size;
}

static bool verify_der(const grid_public_key *key, const unsigned char digest[GRID_HASH_SIZE], const grid_buffer *der,
                       grid_error *err)
{
    EVP_PKEY *pkey = grid_public_key_new_pkey(key, err);
    EVP_PKEY_CTX *context;
    int verdict = -1;

    if (!pkey)
        return false;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (context && EVP_PKEY_verify_init(context) > 0)
        verdict = EVP_PKEY_verify(context, (const unsigned char *)der->data, der->size, digest, GRID_HASH_SIZE);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    /* For DER, a negative verdict is a failure of OpenSSL; 3.5 does not always name its
     * cause. */
    if (verdict < 0)
        return grid_library_failed(err);
    return verdict == 1 || grid_library_refused(err, "bad_signature", "the signature is not one of this key for this message");
}

bool grid_signature_verify(const grid_public_key *key, grid_slice message, grid_slice signature, grid_error *err)
{
    unsigned char digest[GRID_HASH_SIZE];
    grid_buffer der;
    bool holds;

    if (!grid_sha256(message, digest, err))
        return false;
    grid_buffer_init(&der, SIGNATURE_MAX);
    holds = grid_crypto_decode(signature, "bad_signature", "the signature is not base64", &der, err) &&
            (is_der(&der) || grid_library_refused(err, "bad_signature", "the signature is not DER")) &&
            verify_der(key, digest, &der, err);
    grid_buffer_clear(&der);
    return holds;
}
