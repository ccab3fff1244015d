#include "crypto/fingerprint.h"

#include "crypto/hmac.h"

#include <stdio.h>

bool grid_fingerprint(const char *kind, grid_slice bytes, char fingerprint[GRID_FINGERPRINT_SIZE], grid_error *err)
{
    unsigned char digest[GRID_HASH_SIZE];
    int used;

    if (!grid_sha256(bytes, digest, err))
        return false;
    used = snprintf(fingerprint, GRID_FINGERPRINT_SIZE, "%.4s:", kind);
    for (int i = 0; i < 8; i++)
        used += snprintf(fingerprint + used, (size_t)(GRID_FINGERPRINT_SIZE - used), "%02x", digest[i]);
    return true;
}
