#include "crypto/signature.h"

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
