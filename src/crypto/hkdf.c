#include "crypto/hkdf.h"

#include "base/alloc.h"

#include <string.h>

bool grid_hkdf_extract(grid_slice salt, const grid_slice *parts, size_t count,
                       unsigned char prk[GRID_HASH_SIZE], grid_error *err)
{
    return grid_hmac_sha256(salt, parts, count, prk, err);
}

/* RFC 5869 2.3: T(n) = HMAC(PRK, T(n - 1) || info || n), and T(0) is empty. */
bool grid_hkdf_expand(const unsigned char prk[GRID_HASH_SIZE], const grid_slice *parts, size_t count,
                      unsigned char *okm, size_t size, grid_error *err)
{
    const grid_slice key = {(const char *)prk, GRID_HASH_SIZE};
    grid_slice message[1 + GRID_HKDF_MAX_PARTS + 1];
    unsigned char block[GRID_HASH_SIZE], number = 0;
    bool done = true;

    if (count > GRID_HKDF_MAX_PARTS || size > GRID_HKDF_MAX_SIZE)
        return grid_error_set(err, GRID_CRYPTO, "too_large", "HKDF gives 8160 bytes at most");
    message[0] = (grid_slice){(const char *)block, 0};
    if (count)
        memcpy(message + 1, parts, count * sizeof *parts);
    message[count + 1] = (grid_slice){(const char *)&number, 1};
    while (done && size) {
        size_t taken = size < sizeof block ? size : sizeof block;

        number++;
        done = grid_hmac_sha256(key, message, count + 2, block, err);
        message[0].size = sizeof block;
        if (done)
            memcpy(okm, block, taken);
        okm += taken;
        size -= taken;
    }
    grid_wipe(block, sizeof block);
    return done;
}
