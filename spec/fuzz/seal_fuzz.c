/* Bytes of a store and of a server: what is sealed comes back, changed bytes do not open,
 * and base64url has one text for each run of bytes. The first byte of the input says how
 * the rest is meant. */
#include "base/alloc.h"
#include "crypto/aead.h"
#include "text/base64.h"

#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 16 };

static const unsigned char key[GRID_AEAD_KEY_SIZE] = {1}, nonce[GRID_AEAD_NONCE_SIZE] = {2};
static const grid_slice aad = {"aad", 3};

static void must(bool held)
{
    if (!held)
        abort();
}

static grid_slice bytes_of(const grid_buffer *buffer)
{
    return (grid_slice){buffer->data, buffer->size};
}

static void same(const grid_buffer *buffer, grid_slice bytes)
{
    must(buffer->size == bytes.size && memcmp(buffer->data, bytes.data, bytes.size) == 0);
}

static void open_strange(grid_slice input, grid_buffer *out, grid_buffer *back)
{
    grid_error err;

    (void)back;
    must(!grid_aead_open(key, nonce, aad, input, out, &err));
    must(out->size == 0 && ERR_peek_error() == 0);
}

static void seal_and_change(grid_slice input, grid_buffer *out, grid_buffer *back)
{
    grid_error err;

    must(grid_aead_seal(key, nonce, aad, input, out, &err));
    must(grid_aead_open(key, nonce, aad, bytes_of(out), back, &err));
    same(back, input);
    grid_buffer_clear(back);
    out->data[input.size ? (unsigned char)input.data[0] % out->size : 0] ^= 1;
    must(!grid_aead_open(key, nonce, aad, bytes_of(out), back, &err));
    must(back->size == 0);
}

static void decode(grid_slice input, grid_buffer *out, grid_buffer *back)
{
    grid_error err;

    if (!grid_base64url_decode(input, out, &err)) {
        must(out->size == 0);
        return;
    }
    must(grid_base64url_encode(bytes_of(out), back, &err));
    same(back, input);
}

static void encode(grid_slice input, grid_buffer *out, grid_buffer *back)
{
    grid_error err;

    must(grid_base64url_encode(input, out, &err));
    must(grid_base64url_decode(bytes_of(out), back, &err));
    same(back, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const meanings[])(grid_slice input, grid_buffer *out, grid_buffer *back) = {
        open_strange, seal_and_change, decode, encode};
    long live = grid_alloc_live();
    grid_buffer out, back;

    if (size < 1 || size > LIMIT / 2)
        return 0;
    grid_buffer_init(&out, LIMIT);
    grid_buffer_init(&back, LIMIT);
    meanings[data[0] % 4]((grid_slice){(const char *)data + 1, size - 1}, &out, &back);
    grid_buffer_clear(&out);
    grid_buffer_clear(&back);
    must(grid_alloc_live() == live);
    return 0;
}
