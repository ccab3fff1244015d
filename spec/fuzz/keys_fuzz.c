/* Whatever is read as a key is written and read again as the same key; whatever is not,
 * is refused as "crypto", leaving nothing behind. The input is taken as text; and, since
 * few mutations of base64 are base64, as DER, whose base64 is made here. */
#include "base/alloc.h"
#include "crypto/key.h"
#include "text/base64.h"

#include <openssl/err.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static void refused(const grid_error *err)
{
    must(err->kind == GRID_CRYPTO && err->code[0] && err->message[0]);
    must(ERR_peek_error() == 0);
}

static void read_private(grid_slice text)
{
    grid_error err = {0};
    grid_key *key = grid_key_new_from_text(text, &err), *again;
    grid_buffer out;

    if (!key) {
        refused(&err);
        return;
    }
    grid_buffer_init(&out, GRID_KEY_TEXT_MAX);
    must(grid_key_export(key, &out, &err));
    again = grid_key_new_from_text((grid_slice){out.data, out.size}, &err);
    must(again && memcmp(grid_key_public(key), grid_key_public(again), sizeof(grid_public_key)) == 0);
    grid_buffer_clear(&out);
    grid_key_free(key);
    grid_key_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    grid_slice text = {(const char *)data, size};
    long live = grid_alloc_live();
    grid_buffer wrapped;
    grid_error err;

    read_private(text);
    grid_buffer_init(&wrapped, 2 * size + 4);
    must(grid_base64_encode(text, &wrapped, &err));
    read_private((grid_slice){wrapped.data, wrapped.size});
    grid_buffer_clear(&wrapped);
    must(grid_alloc_live() == live);
    return 0;
}
