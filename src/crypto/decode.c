#include "crypto/decode.h"

#include "text/base64.h"

#include <string.h>

bool grid_crypto_decode(grid_slice text, const char *code, const char *message, grid_buffer *out, grid_error *err)
{
    if (grid_base64_decode(text, out, err))
        return true;
    if (strcmp(err->code, "out_of_memory") == 0)
        return false;
    return grid_error_set(err, GRID_CRYPTO, code, "%s", message);
}
