#include "crypto/key.h"

#include "base/alloc.h"
#include "crypto/key_internal.h"
#include "crypto/library.h"
#include "text/base64.h"

#include <openssl/core_names.h>
#include <openssl/obj_mac.h>
#include <string.h>

struct grid_key {
    grid_public_key public_key;
    EVP_PKEY *pkey;
};

/* ---- Public keys ------------------------------------------------------------------- */

/* EC_POINT_oct2point refuses a point that is not on the curve; the point at infinity, one
 * byte long, fails the check of the size. The curve's cofactor is 1, so RFC 9180 7.1.4
 * requires no further check. */
bool grid_public_key_from_point(grid_slice point, grid_public_key *key, grid_error *err)
{
    const unsigned char *bytes = (const unsigned char *)point.data;
    const grid_library *library = grid_library_get(err);
    EC_POINT *decoded;
    bool valid;

    if (!library)
        return false;
    if (!(point.size == GRID_POINT_SIZE && bytes[0] == POINT_CONVERSION_UNCOMPRESSED) &&
        !(point.size == 33 && (bytes[0] & ~1) == POINT_CONVERSION_COMPRESSED))
        return grid_error_set(err, GRID_CRYPTO, "bad_point", "not a point of P-256: wrong length or form");
    decoded = EC_POINT_new(library->p256);
    if (!decoded)
        return grid_library_failed(err);
    valid = EC_POINT_oct2point(library->p256, decoded, bytes, point.size, NULL);
    if (valid && point.size == GRID_POINT_SIZE)
        memcpy(key->point, bytes, GRID_POINT_SIZE);
    else if (valid)
        valid = EC_POINT_point2oct(library->p256, decoded, POINT_CONVERSION_UNCOMPRESSED, key->point, GRID_POINT_SIZE, NULL) ==
                GRID_POINT_SIZE;
    EC_POINT_free(decoded);
    return valid || grid_library_refused(err, "bad_point", "the point is not on the curve P-256");
}

bool grid_public_key_to_text(const grid_public_key *key, grid_buffer *out, grid_error *err)
{
    unsigned char der[GRID_SPKI_SIZE];

    grid_der_write_spki(key->point, der);
    return grid_base64_encode((grid_slice){(const char *)der, sizeof der}, out, err);
}

bool grid_public_key_fingerprint(const grid_public_key *key, char fingerprint[GRID_FINGERPRINT_SIZE], grid_error *err)
{
    unsigned char der[GRID_SPKI_SIZE];

    grid_der_write_spki(key->point, der);
    return grid_fingerprint("p256", (grid_slice){(const char *)der, sizeof der}, fingerprint, err);
}

EVP_PKEY *grid_public_key_new_pkey(const grid_public_key *key, grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    EVP_PKEY *pkey;

    if (!library)
        return NULL;
    pkey = EVP_PKEY_new();
    if (pkey && EVP_PKEY_copy_parameters(pkey, library->p256_parameters) > 0 &&
        EVP_PKEY_set1_encoded_public_key(pkey, key->point, GRID_POINT_SIZE) > 0)
        return pkey;
    EVP_PKEY_free(pkey);
    grid_library_failed(err);
    return NULL;
}

/* ---- Key pairs --------------------------------------------------------------------- */

static grid_key *key_failed(grid_key *key, grid_error *err)
{
    grid_key_free(key);
    grid_library_failed(err);
    return NULL;
}

static grid_key *key_new(grid_error *err)
{
    grid_key *key = grid_calloc(sizeof *key);

    if (!key)
        grid_error_out_of_memory(err);
    return key;
}

grid_key *grid_key_new_random(grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    grid_key *key = library ? key_new(err) : NULL;
    EVP_PKEY_CTX *context;
    size_t size;
    bool made;

    if (!key)
        return NULL;
    context = EVP_PKEY_CTX_new_from_pkey(NULL, library->p256_parameters, NULL);
    made = context && EVP_PKEY_keygen_init(context) > 0 && EVP_PKEY_generate(context, &key->pkey) > 0 &&
           EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY, key->public_key.point, GRID_POINT_SIZE, &size) &&
           size == GRID_POINT_SIZE;
    EVP_PKEY_CTX_free(context);
    return made ? key : key_failed(key, err);
}

/* The point that belongs to a scalar: d * G. */
static bool multiply_base(const grid_library *library, const BIGNUM *scalar, unsigned char point[GRID_POINT_SIZE])
{
    EC_POINT *product = EC_POINT_new(library->p256);
    bool done = product && EC_POINT_mul(library->p256, product, scalar, NULL, NULL, NULL) &&
                EC_POINT_point2oct(library->p256, product, POINT_CONVERSION_UNCOMPRESSED, point, GRID_POINT_SIZE, NULL) ==
                    GRID_POINT_SIZE;

    EC_POINT_free(product);
    return done;
}

static EVP_PKEY *new_pair(const grid_library *library, const BIGNUM *scalar, unsigned char point[GRID_POINT_SIZE])
{
    EVP_PKEY *pair = NULL;
    unsigned char native[GRID_SCALAR_SIZE];
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, library->p256_parameters, NULL);
    OSSL_PARAM halves[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)SN_X9_62_prime256v1, 0),
        OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, GRID_POINT_SIZE),
        OSSL_PARAM_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof native),
        OSSL_PARAM_END,
    };

    if (!context || BN_bn2nativepad(scalar, native, sizeof native) < 0 || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &pair, EVP_PKEY_KEYPAIR, halves) <= 0)
        pair = NULL;
    grid_wipe(native, sizeof native);
    EVP_PKEY_CTX_free(context);
    return pair;
}

/* Is the point that a text states, if it states one, this point? An uncompressed point
 * has one form; a compressed one is x and the parity of y. */
static bool matches(grid_slice stated, const unsigned char point[GRID_POINT_SIZE])
{
    if (stated.size == 33)
        return stated.data[0] == (POINT_CONVERSION_COMPRESSED | (point[GRID_POINT_SIZE - 1] & 1)) &&
               memcmp(stated.data + 1, point + 1, 32) == 0;
    return stated.size == 0 || (stated.size == GRID_POINT_SIZE && memcmp(stated.data, point, GRID_POINT_SIZE) == 0);
}

static bool fill(grid_key *key, const grid_private_der *der, const BIGNUM *scalar, grid_error *err)
{
    const grid_library *library = grid_library_get(err);

    if (!library)
        return false;
    if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(library->p256)) >= 0)
        return grid_error_set(err, GRID_CRYPTO, "bad_scalar", "the private key is zero, or beyond the order of P-256");
    if (!multiply_base(library, scalar, key->public_key.point))
        return grid_library_failed(err);
    if (!matches(der->points[0], key->public_key.point) || !matches(der->points[1], key->public_key.point))
        return grid_error_set(err, GRID_CRYPTO, "bad_key", "the public key in the text does not belong to the private key");
    key->pkey = new_pair(library, scalar, key->public_key.point);
    return key->pkey || grid_library_failed(err);
}

grid_key *grid_key_new_from_der(const grid_private_der *der, grid_error *err)
{
    grid_key *key = key_new(err);
    BIGNUM *scalar;
    bool filled;

    if (!key)
        return NULL;
    scalar = BN_bin2bn((const unsigned char *)der->scalar.data, (int)der->scalar.size, NULL);
    if (!scalar)
        return key_failed(key, err);
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    filled = fill(key, der, scalar, err);
    BN_clear_free(scalar);
    if (filled)
        return key;
    grid_key_free(key);
    return NULL;
}

grid_key *grid_key_new_from_scalar(grid_slice scalar, grid_error *err)
{
    if (scalar.size != GRID_SCALAR_SIZE) {
        grid_error_set(err, GRID_CRYPTO, "bad_scalar", "a private key of P-256 is 32 bytes long");
        return NULL;
    }
    return grid_key_new_from_der(&(grid_private_der){.scalar = scalar}, err);
}

/* EVP_PKEY_free wipes the scalar: OpenSSL frees private numbers with BN_clear_free. */
void grid_key_free(grid_key *key)
{
    if (!key)
        return;
    EVP_PKEY_free(key->pkey);
    grid_free(key);
}

const grid_public_key *grid_key_public(const grid_key *key)
{
    return &key->public_key;
}

EVP_PKEY *grid_key_pkey(const grid_key *key)
{
    return key->pkey;
}

bool grid_key_export(const grid_key *key, grid_buffer *out, grid_error *err)
{
    BIGNUM *scalar = NULL;
    unsigned char bytes[GRID_SCALAR_SIZE], der[GRID_PKCS8_SIZE];
    bool done = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &scalar) &&
                BN_bn2binpad(scalar, bytes, sizeof bytes) == (int)sizeof bytes;

    BN_clear_free(scalar);
    if (done) {
        grid_der_write_pkcs8(bytes, key->public_key.point, der);
        done = grid_base64_encode((grid_slice){(const char *)der, sizeof der}, out, err);
    } else {
        grid_library_failed(err);
    }
    grid_wipe(bytes, sizeof bytes);
    grid_wipe(der, sizeof der);
    return done;
}
