/* What the tests of the crypto room share: hexadecimal, base64 and PEM made from bytes,
 * failures told by their code. */
#ifndef GRID_SPEC_CRYPTO_SUPPORT_H
#define GRID_SPEC_CRYPTO_SUPPORT_H

#include "check.h"

#include "base/alloc.h"
#include "base/buffer.h"
#include "crypto/hpke.h"
#include "crypto/key.h"
#include "text/base64.h"

#include <openssl/err.h>
#include <stdlib.h>

/* RFC 9180 A.5.1: the recipient's pair. */
#define SCALAR "a4d1c55836aa30f9b3fbb6ac98d338c877c2867dd3a77396d13f68d3ab150d3b"
#define POINT_X "a697bffde9405c992883c5c439d6cc358170b51af72812333b015621dc0f40ba"
#define POINT_Y "d9bb726f68a5c013806a790ec716ab8669f84f6b694596c2987cf35baba2a006"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
#define POINT "04" POINT_X POINT_Y
#define OTHER_POINT                                                    \
    "04c07836a0206e04e31d8ae99bfd549380b072a1b1b82e563c935c095827824fc1" \
    "559eac6fb9e3c70cd3193968994e7fe9781aa103f5b50e934b5b2f387e381291"

static const grid_slice nothing = {"", 0};

typedef struct bytes {
    unsigned char data[4096];
    size_t size;
} bytes;

static inline grid_slice slice(const bytes *from)
{
    return (grid_slice){(const char *)from->data, from->size};
}

static inline grid_slice slice_text(const char *text)
{
    return (grid_slice){text, strlen(text)};
}

static inline grid_slice slice_buffer(const grid_buffer *buffer)
{
    return (grid_slice){buffer->data, buffer->size};
}

static inline bytes unhex_n(const char *hex, size_t digits)
{
    bytes out = {.size = 0};

    for (size_t i = 0; i + 1 < digits; i += 2) {
        char pair[3] = {hex[i], hex[i + 1], 0};
        out.data[out.size++] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return out;
}

static inline bytes unhex(const char *hex)
{
    return unhex_n(hex, strlen(hex));
}

/* A NUL-terminated base64 text of the bytes that the hexadecimal digits stand for. */
static inline const char *base64_of(const char *hex)
{
    static char text[8192];
    bytes der = unhex(hex);
    grid_buffer out;
    grid_error err;

    grid_buffer_init(&out, sizeof text - 1);
    CHECK(grid_base64_encode(slice(&der), &out, &err));
    memcpy(text, out.data, out.size + 1);
    grid_buffer_clear(&out);
    return text;
}

/* True: it failed as kind "crypto" with this code, said so in one line, and left nothing
 * in OpenSSL's queue. */
static inline bool refused_as(bool failed, const grid_error *err, const char *code)
{
    bool ok = failed && err->kind == GRID_CRYPTO && strcmp(err->code, code) == 0 && err->message[0] &&
              !strchr(err->message, '\n') && ERR_peek_error() == 0;

    if (failed && !ok)
        printf("    kind %s, code %s, message %s, queue %lx\n", grid_kind_name(err->kind), err->code, err->message,
               ERR_peek_error());
    return ok;
}

/* What the service does: seals the authorization key to the recipient, and appends the
 * two base64 texts of its answer. */
static inline bool seal_authorization(const grid_public_key *recipient, const grid_key *authorization,
                                      grid_buffer *encapsulated_key, grid_buffer *ciphertext)
{
    grid_buffer text, enc, sealed;
    grid_error err;
    bool done;

    grid_buffer_init(&text, GRID_KEY_TEXT_MAX);
    grid_buffer_init(&enc, GRID_HPKE_ENC_SIZE);
    grid_buffer_init(&sealed, GRID_KEY_TEXT_MAX + GRID_HPKE_TAG_SIZE);
    done = grid_key_export(authorization, &text, &err) &&
           grid_hpke_seal(recipient, NULL, nothing, nothing, slice_buffer(&text), &enc, &sealed, &err) &&
           grid_base64_encode(slice_buffer(&enc), encapsulated_key, &err) &&
           grid_base64_encode(slice_buffer(&sealed), ciphertext, &err);
    grid_buffer_clear(&text);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&sealed);
    return done;
}

/* The RFC's key, the one that most tests open with. */
static inline grid_key *rfc_key(void)
{
    grid_error err;
    bytes scalar = unhex(SCALAR);

    return grid_key_new_from_scalar(slice(&scalar), &err);
}

#endif
