#include "crypto/key_der.h"

#include <string.h>

enum { INTEGER = 0x02, BIT_STRING = 0x03, OCTET_STRING = 0x04, OID = 0x06, SEQUENCE = 0x30, CONTEXT_0 = 0xa0, CONTEXT_1 = 0xa1 };
enum { IMPLICIT_1 = 0x81 };
enum { SDK_SIZE = 68 };

#define EC_PUBLIC_KEY_OID 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01 /* 1.2.840.10045.2.1 */
#define PRIME256V1_OID    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 /* ….3.1.7 */
#define ALGORITHM         SEQUENCE, 19, OID, 7, EC_PUBLIC_KEY_OID, OID, 8, PRIME256V1_OID

static const unsigned char ec_public_key[] = {EC_PUBLIC_KEY_OID};
static const unsigned char prime256v1[] = {PRIME256V1_OID};
static const unsigned char spki_head[] = {SEQUENCE, 89, ALGORITHM, BIT_STRING, 66, 0};
static const unsigned char pkcs8_head[] = {SEQUENCE, 0x81, 135,      INTEGER, 1, 0, ALGORITHM,    OCTET_STRING,    109,
                                           SEQUENCE, 107,  INTEGER, 1,       1, OCTET_STRING, GRID_SCALAR_SIZE};
static const unsigned char pkcs8_middle[] = {CONTEXT_1, 68, BIT_STRING, 66, 0};

_Static_assert(sizeof spki_head + GRID_POINT_SIZE == GRID_SPKI_SIZE, "SPKI");
_Static_assert(sizeof pkcs8_head + GRID_SCALAR_SIZE + sizeof pkcs8_middle + GRID_POINT_SIZE == GRID_PKCS8_SIZE, "PKCS#8");
_Static_assert(sizeof pkcs8_head + GRID_SCALAR_SIZE == SDK_SIZE, "the SDK's form");

static bool bad_key(grid_error *err)
{
    return grid_error_set(err, GRID_CRYPTO, "bad_key", "the key is not DER of PKCS#8 or ECPrivateKey");
}

static bool wrong_curve(grid_error *err)
{
    return grid_error_set(err, GRID_CRYPTO, "wrong_curve", "the key is not on the curve P-256, or does not name it");
}

static unsigned char byte_at(grid_slice bytes, size_t index)
{
    return (unsigned char)bytes.data[index];
}

static bool equals(grid_slice bytes, const unsigned char *wanted, size_t size)
{
    return bytes.size == size && memcmp(bytes.data, wanted, size) == 0;
}

/* X.690 8.1.3 and 10.1: the length has as few bytes as possible. No key needs more than
 * two. */
static bool take_length(grid_slice *input, size_t *length)
{
    size_t bytes = 0;

    *length = byte_at(*input, 1);
    if (*length >= 0x80) {
        bytes = *length - 0x80;
        if (bytes < 1 || bytes > 2 || input->size < 2 + bytes)
            return false;
        *length = byte_at(*input, 2);
        if (bytes == 2)
            *length = *length << 8 | byte_at(*input, 3);
        if (*length < (bytes == 1 ? 0x80u : 0x100u))
            return false;
    }
    input->data += 2 + bytes;
    input->size -= 2 + bytes;
    return *length <= input->size;
}

static bool next_is(grid_slice input, unsigned char tag)
{
    return input.size >= 2 && byte_at(input, 0) == tag;
}

/* Moves the input past the next value. */
static bool take(grid_slice *input, unsigned char tag, grid_slice *content)
{
    size_t length;

    if (!next_is(*input, tag) || !take_length(input, &length))
        return false;
    *content = (grid_slice){input->data, length};
    input->data += length;
    input->size -= length;
    return true;
}

/* The same for the last value: fails when input is left. */
static bool take_last(grid_slice *input, unsigned char tag, grid_slice *content)
{
    return take(input, tag, content) && input->size == 0;
}

static bool take_version(grid_slice *input, unsigned char *version)
{
    grid_slice number;

    if (!take(input, INTEGER, &number) || number.size != 1)
        return false;
    *version = byte_at(number, 0);
    return true;
}

/* A BIT STRING of whole bytes, at least one. */
static bool whole_bytes(grid_slice bits, grid_slice *bytes)
{
    if (bits.size < 2 || byte_at(bits, 0) != 0)
        return false;
    *bytes = (grid_slice){bits.data + 1, bits.size - 1};
    return true;
}

/* ECParameters (RFC 5480 2.1.1): the named curve; the other two choices MUST NOT be
 * used. */
static bool check_curve(grid_slice parameters, grid_error *err)
{
    grid_slice curve;

    if (!take_last(&parameters, OID, &curve) || !equals(curve, prime256v1, sizeof prime256v1))
        return wrong_curve(err);
    return true;
}

static bool take_algorithm(grid_slice *input, grid_error *err)
{
    grid_slice algorithm, name;

    if (!take(input, SEQUENCE, &algorithm) || !take(&algorithm, OID, &name))
        return bad_key(err);
    if (!equals(name, ec_public_key, sizeof ec_public_key))
        return grid_error_set(err, GRID_CRYPTO, "bad_key", "the key is not an elliptic curve key");
    return check_curve(algorithm, err);
}

/* The field `parameters` (RFC 5915 3), which may be absent. */
static bool take_curve(grid_slice *fields, bool *named, grid_error *err)
{
    grid_slice curve;

    *named = next_is(*fields, CONTEXT_0);
    if (!*named)
        return true;
    return take(fields, CONTEXT_0, &curve) ? check_curve(curve, err) : bad_key(err);
}

/* The field `publicKey` (RFC 5915 3), which may be absent. */
static bool take_point(grid_slice *fields, grid_slice *point)
{
    grid_slice inner, bits;

    return !next_is(*fields, CONTEXT_1) ||
           (take(fields, CONTEXT_1, &inner) && take_last(&inner, BIT_STRING, &bits) && whole_bytes(bits, point));
}

/* RFC 5915 3 requires 32 bytes. Other writers encode an integer: without leading zeros,
 * or with one for the sign. */
static bool trim_scalar(grid_slice *scalar)
{
    while (scalar->size > 1 && byte_at(*scalar, 0) == 0)
        *scalar = (grid_slice){scalar->data + 1, scalar->size - 1};
    return scalar->size >= 1 && scalar->size <= GRID_SCALAR_SIZE;
}

/* RFC 5915 3. The curve is checked before the scalar: a scalar of another size may be one
 * of another curve. */
static bool read_ec_private_key(grid_slice der, grid_private_der *key, bool *named, grid_error *err)
{
    grid_slice fields;
    unsigned char version;

    if (!take_last(&der, SEQUENCE, &fields) || !take_version(&fields, &version) || version != 1 ||
        !take(&fields, OCTET_STRING, &key->scalar))
        return bad_key(err);
    if (!take_curve(&fields, named, err))
        return false;
    return (trim_scalar(&key->scalar) && take_point(&fields, &key->points[0]) && fields.size == 0) || bad_key(err);
}

bool grid_der_read_ec_private_key(grid_slice der, grid_private_der *key, grid_error *err)
{
    bool named = false;

    *key = (grid_private_der){0};
    return read_ec_private_key(der, key, &named, err) && (named || wrong_curve(err));
}

static bool is_sdk_form(grid_slice der)
{
    return der.size == SDK_SIZE && memcmp(der.data, pkcs8_head, sizeof pkcs8_head) == 0;
}

/* The fields after `privateKey`. RFC 5958 2: version 1 has a public key, version 0 has
 * none. */
static bool take_rest(grid_slice *info, unsigned char version, grid_slice *point)
{
    grid_slice attributes, bits;

    if (next_is(*info, CONTEXT_0) && !take(info, CONTEXT_0, &attributes))
        return false;
    if (version == 1 && (!take(info, IMPLICIT_1, &bits) || !whole_bytes(bits, point)))
        return false;
    return info->size == 0;
}

bool grid_der_read_pkcs8(grid_slice der, grid_private_der *key, grid_error *err)
{
    grid_slice info, private_key;
    unsigned char version;
    bool named = false;

    *key = (grid_private_der){0};
    if (is_sdk_form(der)) {
        key->scalar = (grid_slice){der.data + sizeof pkcs8_head, GRID_SCALAR_SIZE};
        return true;
    }
    if (!take_last(&der, SEQUENCE, &info) || !take_version(&info, &version) || version > 1)
        return bad_key(err);
    if (!take_algorithm(&info, err))
        return false;
    if (!take(&info, OCTET_STRING, &private_key))
        return bad_key(err);
    if (!read_ec_private_key(private_key, key, &named, err))
        return false;
    return take_rest(&info, version, &key->points[1]) || bad_key(err);
}

/* In PKCS#8 a SEQUENCE follows the version, in ECPrivateKey an OCTET STRING. */
static bool is_ec_private_key(grid_slice der)
{
    grid_slice fields;
    unsigned char version;

    return take_last(&der, SEQUENCE, &fields) && take_version(&fields, &version) && next_is(fields, OCTET_STRING);
}

bool grid_der_read_private_key(grid_slice der, grid_private_der *key, grid_error *err)
{
    return is_ec_private_key(der) ? grid_der_read_ec_private_key(der, key, err) : grid_der_read_pkcs8(der, key, err);
}

static unsigned char *put(unsigned char *out, const unsigned char *bytes, size_t size)
{
    memcpy(out, bytes, size);
    return out + size;
}

void grid_der_write_spki(const unsigned char point[GRID_POINT_SIZE], unsigned char der[GRID_SPKI_SIZE])
{
    put(put(der, spki_head, sizeof spki_head), point, GRID_POINT_SIZE);
}

void grid_der_write_pkcs8(const unsigned char scalar[GRID_SCALAR_SIZE], const unsigned char point[GRID_POINT_SIZE],
                          unsigned char der[GRID_PKCS8_SIZE])
{
    der = put(der, pkcs8_head, sizeof pkcs8_head);
    der = put(der, scalar, GRID_SCALAR_SIZE);
    der = put(der, pkcs8_middle, sizeof pkcs8_middle);
    put(der, point, GRID_POINT_SIZE);
}
