#include "crypto/hkdf.h"

#include "base/alloc.h"
#include "crypto/library.h"

#include <string.h>

enum { BLOCK_SIZE = 64 };

typedef struct hmac {
    EVP_MD_CTX *digest;
    const EVP_MD *sha256;
    unsigned char block[BLOCK_SIZE]; /* the key, padded with zeros */
} hmac;

/* One of the two layers begins: H(key xor pad || … */
static bool begin(hmac *mac, unsigned char pad)
{
    unsigned char padded[BLOCK_SIZE];
    bool done;

    for (size_t i = 0; i < BLOCK_SIZE; i++)
        padded[i] = mac->block[i] ^ pad;
    done = EVP_DigestInit_ex2(mac->digest, mac->sha256, NULL) && EVP_DigestUpdate(mac->digest, padded, BLOCK_SIZE);
    grid_wipe(padded, sizeof padded);
    return done;
}

/* RFC 2104 2: H(K xor opad, H(K xor ipad, text)). */
static bool run(hmac *mac, const grid_slice *parts, size_t count, unsigned char tag[GRID_HASH_SIZE])
{
    bool done = begin(mac, 0x36);

    for (size_t i = 0; done && i < count; i++)
        done = EVP_DigestUpdate(mac->digest, parts[i].data, parts[i].size);
    return done && EVP_DigestFinal_ex(mac->digest, tag, NULL) && begin(mac, 0x5c) &&
           EVP_DigestUpdate(mac->digest, tag, GRID_HASH_SIZE) && EVP_DigestFinal_ex(mac->digest, tag, NULL);
}

static bool hmac_sha256(grid_slice key, const grid_slice *parts, size_t count, unsigned char tag[GRID_HASH_SIZE], grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    hmac mac = {0};
    bool done;

    if (!library)
        return false;
    mac.sha256 = library->sha256;
    if (key.size > BLOCK_SIZE)
        return grid_library_failed(err);
    if (key.size)
        memcpy(mac.block, key.data, key.size);
    mac.digest = EVP_MD_CTX_new();
    done = mac.digest && run(&mac, parts, count, tag);
    EVP_MD_CTX_free(mac.digest); /* wipes its state */
    grid_wipe(&mac, sizeof mac);
    if (done)
        return true;
    grid_wipe(tag, GRID_HASH_SIZE);
    return grid_library_failed(err);
}

bool grid_hkdf_extract(grid_slice salt, const grid_slice *parts, size_t count, unsigned char prk[GRID_HASH_SIZE], grid_error *err)
{
    return hmac_sha256(salt, parts, count, prk, err);
}

bool grid_hkdf_expand(const unsigned char prk[GRID_HASH_SIZE], const grid_slice *parts, size_t count, unsigned char *okm,
                      size_t size, grid_error *err)
{
    enum { PARTS_MAX = 8 };
    grid_slice with_counter[PARTS_MAX];
    unsigned char block[GRID_HASH_SIZE];
    bool done;

    if (count >= PARTS_MAX || size > sizeof block)
        return grid_library_failed(err);
    memcpy(with_counter, parts, count * sizeof *parts);
    with_counter[count] = (grid_slice){"\x01", 1};
    done = hmac_sha256((grid_slice){(const char *)prk, GRID_HASH_SIZE}, with_counter, count + 1, block, err);
    if (done)
        memcpy(okm, block, size);
    grid_wipe(block, sizeof block);
    return done;
}
