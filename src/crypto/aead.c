#include "crypto/aead.h"

#include "base/alloc.h"
#include "crypto/library.h"

#include <limits.h>
#include <string.h>

static EVP_CIPHER_CTX *new_cipher(const unsigned char *key, const unsigned char *nonce, int encrypt,
                                  grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    EVP_CIPHER_CTX *cipher;

    if (!library)
        return NULL;
    cipher = EVP_CIPHER_CTX_new();
    if (cipher &&
        EVP_CipherInit_ex2(cipher, library->chacha20_poly1305, key, nonce, encrypt, NULL))
        return cipher;
    EVP_CIPHER_CTX_free(cipher);
    grid_library_failed(err);
    return NULL;
}

/* ChaCha20 is a stream cipher: `out` gets as many bytes as `in` has. */
static bool run(EVP_CIPHER_CTX *cipher, grid_slice aad, grid_slice in, unsigned char *out)
{
    int written;

    return EVP_CipherUpdate(cipher, NULL, &written, (const unsigned char *)aad.data, (int)aad.size) &&
           EVP_CipherUpdate(cipher, out, &written, (const unsigned char *)in.data, (int)in.size) &&
           EVP_CipherFinal_ex(cipher, out + in.size, &written);
}

static bool check_size(grid_slice aad, size_t size, grid_error *err)
{
    if (size <= INT_MAX - GRID_AEAD_TAG_SIZE && aad.size <= INT_MAX)
        return true;
    return grid_error_set(err, GRID_CRYPTO, "too_large", "the message or its associated data is larger than 2147483631 bytes");
}

bool grid_aead_seal(const unsigned char key[GRID_AEAD_KEY_SIZE],
                    const unsigned char nonce[GRID_AEAD_NONCE_SIZE], grid_slice aad,
                    grid_slice plaintext, grid_buffer *ciphertext, grid_error *err)
{
    EVP_CIPHER_CTX *cipher;
    unsigned char *out;
    bool done;

    if (!check_size(aad, plaintext.size, err) ||
        !grid_buffer_reserve(ciphertext, plaintext.size + GRID_AEAD_TAG_SIZE, err))
        return false;
    cipher = new_cipher(key, nonce, 1, err);
    if (!cipher)
        return false;
    out = (unsigned char *)ciphertext->data + ciphertext->size;
    done = run(cipher, aad, plaintext, out) &&
           EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, GRID_AEAD_TAG_SIZE,
                               out + plaintext.size);
    EVP_CIPHER_CTX_free(cipher);
    if (!done)
        return grid_library_failed(err);
    ciphertext->size += plaintext.size + GRID_AEAD_TAG_SIZE;
    ciphertext->data[ciphertext->size] = '\0';
    return true;
}

static bool open_failed(grid_error *err)
{
    return grid_library_refused(err, "open_failed",
                                "the ciphertext was sealed to another key, or was changed");
}

bool grid_aead_open(const unsigned char key[GRID_AEAD_KEY_SIZE],
                    const unsigned char nonce[GRID_AEAD_NONCE_SIZE], grid_slice aad,
                    grid_slice ciphertext, grid_buffer *plaintext, grid_error *err)
{
    EVP_CIPHER_CTX *cipher;
    unsigned char tag[GRID_AEAD_TAG_SIZE];
    unsigned char *out;
    bool done;

    if (ciphertext.size < GRID_AEAD_TAG_SIZE)
        return open_failed(err);
    ciphertext.size -= GRID_AEAD_TAG_SIZE;
    memcpy(tag, ciphertext.data + ciphertext.size, sizeof tag);
    if (!check_size(aad, ciphertext.size, err) ||
        !grid_buffer_reserve(plaintext, ciphertext.size, err))
        return false;
    cipher = new_cipher(key, nonce, 0, err);
    if (!cipher)
        return false;
    out = (unsigned char *)plaintext->data + plaintext->size;
    done = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) &&
           run(cipher, aad, ciphertext, out);
    EVP_CIPHER_CTX_free(cipher);
    if (!done)
        grid_wipe(out, ciphertext.size); /* RFC 5116 2.2: no plaintext for a wrong tag */
    else
        plaintext->size += ciphertext.size;
    plaintext->data[plaintext->size] = '\0';
    return done || open_failed(err);
}
