#include "crypto/library.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <stdatomic.h>
#include <stdlib.h>

static _Atomic(grid_library *) shared;

static EVP_PKEY *new_parameters(void)
{
    EVP_PKEY *parameters = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OSSL_PARAM curve[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)SN_X9_62_prime256v1, 0),
        OSSL_PARAM_END,
    };

    if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &parameters, EVP_PKEY_KEY_PARAMETERS, curve) <= 0)
        parameters = NULL;
    EVP_PKEY_CTX_free(context);
    return parameters;
}

static EVP_MAC_CTX *new_hmac_sha256(void)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    OSSL_PARAM digest[] = {
        OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA2-256", 0),
        OSSL_PARAM_END,
    };

    EVP_MAC_free(hmac); /* the context holds it */
    if (context && EVP_MAC_CTX_set_params(context, digest))
        return context;
    EVP_MAC_CTX_free(context);
    return NULL;
}

static void library_free(grid_library *library)
{
    if (!library)
        return;
    EVP_MD_free(library->sha256);
    EVP_CIPHER_free(library->chacha20_poly1305);
    EVP_MAC_CTX_free(library->hmac_sha256);
    EC_GROUP_free(library->p256);
    EVP_PKEY_free(library->p256_parameters);
    free(library);
}

/* calloc(3), not grid_calloc: the block lives until the process ends and must not count
 * as a leak. */
static grid_library *library_new(void)
{
    grid_library *library;

    /* OpenSSL 3.0 crashes when it fetches from a context that could not be made. */
    if (!OSSL_LIB_CTX_get0_global_default())
        return NULL;
    library = calloc(1, sizeof *library);
    if (!library)
        return NULL;
    library->sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    library->chacha20_poly1305 = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    library->hmac_sha256 = new_hmac_sha256();
    library->p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    library->p256_parameters = new_parameters();
    if (library->sha256 && library->chacha20_poly1305 && library->hmac_sha256 && library->p256 && library->p256_parameters)
        return library;
    library_free(library);
    return NULL;
}

static void release(void)
{
    library_free(atomic_exchange(&shared, NULL));
}

const grid_library *grid_library_get(grid_error *err)
{
    grid_library *found = NULL;
    grid_library *fresh;

    if ((found = atomic_load_explicit(&shared, memory_order_acquire)))
        return found;
    fresh = library_new();
    if (!fresh) {
        grid_library_failed(err);
        return NULL;
    }
    if (!atomic_compare_exchange_strong(&shared, &found, fresh)) {
        library_free(fresh); /* another thread was first */
        return found;
    }
    /* Registered after OpenSSL's own handler, so this one runs first. */
    atexit(release);
    return fresh;
}

bool grid_library_failed(grid_error *err)
{
    ERR_clear_error();
    return grid_error_set(err, GRID_CRYPTO, "crypto_failed",
                          "OpenSSL failed: out of memory, or a provider is missing");
}

static bool take_memory_failure(void)
{
    unsigned long code;

    while ((code = ERR_get_error()))
        if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
            return true;
    return false;
}

bool grid_library_refused(grid_error *err, const char *code, const char *message)
{
    if (take_memory_failure())
        return grid_library_failed(err);
    return grid_error_set(err, GRID_CRYPTO, code, "%s", message);
}
