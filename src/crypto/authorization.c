#include "crypto/authorization.h"

#include "crypto/decode.h"
#include "crypto/hpke.h"

enum { SEALED_MAX = GRID_KEY_TEXT_MAX + GRID_HPKE_TAG_SIZE };

static const grid_slice nothing = {"", 0}; /* the service leaves info and aad empty */

static grid_slice bytes_of(const grid_buffer *buffer)
{
    return (grid_slice){buffer->data, buffer->size};
}

grid_key *grid_authorization_open(const grid_key *recipient, grid_slice encapsulated_key, grid_slice ciphertext, grid_error *err)
{
    grid_buffer enc, sealed, text;
    grid_key *key = NULL;

    grid_buffer_init(&enc, GRID_HPKE_ENC_SIZE);
    grid_buffer_init(&sealed, SEALED_MAX);
    grid_buffer_init(&text, GRID_KEY_TEXT_MAX);
    if (grid_crypto_decode(encapsulated_key, "bad_point", "encapsulated_key is not base64 of 65 bytes", &enc, err) &&
        grid_crypto_decode(ciphertext, "open_failed", "ciphertext is not base64, or is too long for a key", &sealed, err) &&
        grid_hpke_open(recipient, bytes_of(&enc), nothing, nothing, bytes_of(&sealed), &text, err))
        key = grid_key_new_from_text(bytes_of(&text), err);
    grid_buffer_clear(&enc);
    grid_buffer_clear(&sealed);
    grid_buffer_clear(&text);
    return key;
}
