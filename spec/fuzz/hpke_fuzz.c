/* Nothing opens but what was sealed. The first byte of the input says how the rest is
 * meant: as an encapsulated key and a ciphertext; as a plaintext that is sealed and has
 * to come back, but not after a change; as the text of an authorization key, inside a
 * seal that holds. */
#include "base/alloc.h"
#include "crypto/authorization.h"
#include "crypto/hpke.h"
#include "text/base64.h"

#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 16 };

static const grid_slice nothing = {"", 0};
static const char scalar[GRID_SCALAR_SIZE] = "one scalar is as good as another";

static void must(bool held)
{
    if (!held)
        abort();
}

static grid_slice bytes_of(const grid_buffer *buffer)
{
    return (grid_slice){buffer->data, buffer->size};
}

static void refused(const grid_error *err)
{
    must((err->kind == GRID_CRYPTO || strcmp(err->code, "too_large") == 0) && err->code[0] && err->message[0]);
    must(ERR_peek_error() == 0);
}

static void open_strange(const grid_key *key, grid_slice input)
{
    size_t enc = input.size < GRID_HPKE_ENC_SIZE ? input.size : GRID_HPKE_ENC_SIZE;
    grid_slice point = {input.data, enc}, rest = {input.data + enc, input.size - enc};
    grid_buffer out;
    grid_error err = {0};

    grid_buffer_init(&out, LIMIT);
    must(!grid_hpke_open(key, point, nothing, nothing, rest, &out, &err));
    refused(&err);
    must(out.size == 0);
    grid_buffer_clear(&out);
    must(!grid_authorization_open(key, point, rest, &err));
    refused(&err);
}

static void seal_and_change(const grid_key *key, grid_slice plaintext)
{
    grid_buffer enc, ciphertext, out;
    grid_error err = {0};

    grid_buffer_init(&enc, LIMIT);
    grid_buffer_init(&ciphertext, LIMIT);
    grid_buffer_init(&out, LIMIT);
    must(grid_hpke_seal(grid_key_public(key), key, nothing, plaintext, plaintext, &enc, &ciphertext, &err));
    must(grid_hpke_open(key, bytes_of(&enc), nothing, plaintext, bytes_of(&ciphertext), &out, &err));
    must(out.size == plaintext.size && memcmp(out.data, plaintext.data, out.size) == 0);
    grid_buffer_clear(&out);
    ciphertext.data[plaintext.size ? (unsigned char)plaintext.data[0] % ciphertext.size : 0] ^= 1;
    must(!grid_hpke_open(key, bytes_of(&enc), nothing, plaintext, bytes_of(&ciphertext), &out, &err));
    refused(&err);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&ciphertext);
    grid_buffer_clear(&out);
}

static void open_authorization(const grid_key *key, grid_slice text)
{
    grid_buffer enc, ciphertext, enc_text, ciphertext_text;
    grid_error err = {0};
    grid_key *opened;

    grid_buffer_init(&enc, LIMIT);
    grid_buffer_init(&ciphertext, LIMIT);
    grid_buffer_init(&enc_text, LIMIT);
    grid_buffer_init(&ciphertext_text, LIMIT);
    must(grid_hpke_seal(grid_key_public(key), key, nothing, nothing, text, &enc, &ciphertext, &err));
    must(grid_base64_encode(bytes_of(&enc), &enc_text, &err) && grid_base64_encode(bytes_of(&ciphertext), &ciphertext_text, &err));
    opened = grid_authorization_open(key, bytes_of(&enc_text), bytes_of(&ciphertext_text), &err);
    if (!opened)
        refused(&err);
    grid_key_free(opened);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&ciphertext);
    grid_buffer_clear(&enc_text);
    grid_buffer_clear(&ciphertext_text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const meanings[])(const grid_key *key, grid_slice rest) = {open_strange, seal_and_change, open_authorization};
    long live = grid_alloc_live();
    grid_error err;
    grid_key *key;

    if (size < 1 || size > LIMIT / 2)
        return 0;
    key = grid_key_new_from_scalar((grid_slice){scalar, sizeof scalar}, &err);
    must(key);
    meanings[data[0] % 3](key, (grid_slice){(const char *)data + 1, size - 1});
    grid_key_free(key);
    must(grid_alloc_live() == live);
    return 0;
}
