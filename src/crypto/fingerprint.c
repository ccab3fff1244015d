#include "crypto/fingerprint.h"

#include "crypto/library.h"

#include <stdio.h>

bool grid_fingerprint(const char *kind, grid_slice bytes, char fingerprint[GRID_FINGERPRINT_SIZE], grid_error *err)
{
    const grid_library *library = grid_library_get(err);
    unsigned char digest[32];
    int used;

    if (!library)
        return false;
    if (!EVP_Digest(bytes.data, bytes.size, digest, NULL, library->sha256, NULL))
        return grid_library_failed(err);
    used = snprintf(fingerprint, GRID_FINGERPRINT_SIZE, "%.4s:", kind);
    for (int i = 0; i < 8; i++)
        used += snprintf(fingerprint + used, (size_t)(GRID_FINGERPRINT_SIZE - used), "%02x", digest[i]);
    return true;
}
