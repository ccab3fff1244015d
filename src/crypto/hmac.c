#include "crypto/hmac.h"

#include "base/alloc.h"
#include "crypto/library.h"

/* EVP_MAC_init keeps the previous key when the key is NULL. */
static bool run(EVP_MAC_CTX *mac, grid_slice key, const grid_slice *parts, size_t count,
                unsigned char tag[GRID_HASH_SIZE])
{
    const char *bytes = key.data ? key.data : "";
    size_t written;

    if (!EVP_MAC_init(mac, (const unsigned char *)bytes, key.size, NULL))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!EVP_MAC_update(mac, (const unsigned char *)parts[i].data, parts[i].size))
            return false;
    return EVP_MAC_final(mac, tag, &written, GRID_HASH_SIZE) && written == GRID_HASH_SIZE;
}

bool grid_hmac_sha256(grid_slice key, const grid_slice *parts, size_t count,
                      unsigned char tag[GRID_HASH_SIZE], grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    EVP_MAC_CTX *mac;
    bool done;

    if (!library)
        return false;
    mac = EVP_MAC_CTX_dup(library->hmac_sha256);
    done = mac && run(mac, key, parts, count, tag);
    EVP_MAC_CTX_free(mac); /* wipes its state */
    if (done)
        return true;
    grid_wipe(tag, GRID_HASH_SIZE);
    return grid_library_failed(err);
}

bool grid_sha256(grid_slice text, unsigned char digest[GRID_HASH_SIZE], grid_error *err)
{
    const grid_library *library = grid_library_get(err);

    if (!library)
        return false;
    return EVP_Digest(text.data, text.size, digest, NULL, library->sha256, NULL) || grid_library_failed(err);
}
