/* Keys as people and services write them down: base64, PEM (RFC 7468), prefixes. */
#include "crypto/key.h"
#include "crypto/decode.h"
#include "crypto/key_internal.h"

#include <string.h>

typedef bool read_der(grid_slice der, grid_private_der *key, grid_error *err);

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static grid_slice trim(grid_slice text)
{
    while (text.size && is_blank(text.data[0]))
        text = (grid_slice){text.data + 1, text.size - 1};
    while (text.size && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

static bool skip(grid_slice *text, const char *prefix)
{
    size_t size = strlen(prefix);

    if (text->size < size || memcmp(text->data, prefix, size) != 0)
        return false;
    *text = (grid_slice){text->data + size, text->size - size};
    return true;
}

/* Moves to where `what` begins. */
static bool seek(grid_slice *text, const char *what)
{
    grid_slice probe;

    for (; text->size; text->data++, text->size--) {
        probe = *text;
        if (skip(&probe, what))
            return true;
    }
    return false;
}

static bool bad_key(grid_error *err, const char *message)
{
    return grid_error_set(err, GRID_CRYPTO, "bad_key", "%s", message);
}

/* Line breaks are no part of base64 as text/base64.h has it, but keys come wrapped. */
static bool decode(grid_slice text, grid_buffer *der, grid_error *err)
{
    grid_buffer packed;
    bool decoded = false;

    grid_buffer_init(&packed, GRID_KEY_TEXT_MAX);
    if (grid_buffer_reserve(&packed, text.size, err)) {
        for (size_t i = 0; i < text.size; i++)
            if (!is_blank(text.data[i]))
                packed.data[packed.size++] = text.data[i];
        decoded = grid_crypto_decode((grid_slice){packed.data, packed.size}, "bad_key", "the key is not base64", der, err);
    }
    grid_buffer_clear(&packed);
    return decoded;
}

/* Finds the private key in PEM. What stands before it is skipped: explanations (RFC 7468 5.2), or "EC PARAMETERS" as OpenSSL's
 * command writes it. Nothing may follow. */
static bool open_pem(grid_slice *text, read_der **read, grid_error *err)
{
    static const struct {
        const char *begin, *end;
        read_der *read;
    } forms[] = {
        {"-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", grid_der_read_pkcs8},
        {"-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", grid_der_read_ec_private_key},
    };

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        grid_slice body = *text, rest;
        if (!seek(&body, forms[i].begin))
            continue;
        skip(&body, forms[i].begin);
        rest = body;
        if (!seek(&rest, forms[i].end))
            return bad_key(err, "the PEM text has no end");
        body.size = (size_t)(rest.data - body.data);
        skip(&rest, forms[i].end);
        if (rest.size)
            return bad_key(err, "something follows the private key");
        *text = body;
        *read = forms[i].read;
        return true;
    }
    return bad_key(err, "PEM, but no \"PRIVATE KEY\" in it; an encrypted one has to be decrypted first");
}

static bool too_long(grid_slice text, grid_error *err)
{
    return text.size > GRID_KEY_TEXT_MAX && !bad_key(err, "too long for a key");
}

grid_key *grid_key_new_from_text(grid_slice text, grid_error *err)
{
    read_der *read = grid_der_read_pkcs8;
    grid_private_der found;
    grid_buffer der;
    grid_slice dashes;
    grid_key *key = NULL;

    if (too_long(text, err))
        return NULL;
    text = trim(text);
    if (skip(&text, "wallet-auth:") || skip(&text, "wallet-api:"))
        text = trim(text);
    dashes = text;
    if (seek(&dashes, "-----BEGIN ") && !open_pem(&text, &read, err))
        return NULL;
    grid_buffer_init(&der, GRID_KEY_TEXT_MAX);
    if (decode(text, &der, err) && read((grid_slice){der.data, der.size}, &found, err))
        key = grid_key_new_from_der(&found, err);
    grid_buffer_clear(&der);
    return key;
}

bool grid_public_key_from_text(grid_slice text, grid_public_key *key, grid_error *err)
{
    grid_slice point;
    grid_buffer der;
    bool done;

    if (too_long(text, err))
        return false;
    grid_buffer_init(&der, GRID_KEY_TEXT_MAX);
    done = decode(text, &der, err) && grid_der_read_spki((grid_slice){der.data, der.size}, &point, err) &&
           grid_public_key_from_point(point, key, err);
    grid_buffer_clear(&der);
    return done;
}
