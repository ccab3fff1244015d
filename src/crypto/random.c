#include "crypto/random.h"

#include <unistd.h>

enum { GETENTROPY_MAX = 256 }; /* getentropy(3): a larger request fails */

/* getentropy(3), not RAND_bytes(3): a program that needs only UUIDs does not start
 * OpenSSL's generator. */
bool grid_random_bytes(void *bytes, size_t size, grid_error *err)
{
    char *at = bytes;

    while (size) {
        size_t piece = size < GETENTROPY_MAX ? size : GETENTROPY_MAX;

        if (getentropy(at, piece) != 0)
            return grid_error_set(err, GRID_CRYPTO, "no_randomness", "getentropy failed: the system gives no random bytes");
        at += piece;
        size -= piece;
    }
    return true;
}

bool grid_random_uuid(char uuid[GRID_UUID_SIZE], grid_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    char *at = uuid;

    if (!grid_random_bytes(bytes, sizeof bytes, err))
        return false;
    bytes[6] = (bytes[6] & 0x0f) | 0x40; /* version 4 */
    bytes[8] = (bytes[8] & 0x3f) | 0x80; /* variant of RFC 9562 4.1 */
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
    }
    *at = '\0';
    return true;
}
