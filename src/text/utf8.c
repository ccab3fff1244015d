#include "text/utf8.h"

#include <stdbool.h>

static bool between(unsigned char byte, unsigned char low, unsigned char high)
{
    return byte >= low && byte <= high;
}

/* RFC 3629 section 4: the second byte's range depends on the first, all later ones are
 * 80-BF. */
size_t grid_utf8_length(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    size_t length;

    if (byte[0] < 0x80)
        return 1;
    if (between(byte[0], 0xC2, 0xDF))
        length = 2;
    else if (between(byte[0], 0xE0, 0xEF))
        length = 3;
    else if (between(byte[0], 0xF0, 0xF4))
        length = 4;
    else
        return 0;
    if (byte[0] == 0xE0)
        low = 0xA0; /* below: overlong */
    else if (byte[0] == 0xED)
        high = 0x9F; /* above: surrogates */
    else if (byte[0] == 0xF0)
        low = 0x90; /* below: overlong */
    else if (byte[0] == 0xF4)
        high = 0x8F; /* above: past U+10FFFF */
    if (left < length || !between(byte[1], low, high))
        return 0;
    for (size_t i = 2; i < length; i++)
        if (!between(byte[i], 0x80, 0xBF))
            return 0;
    return length;
}

size_t grid_utf8_write(uint32_t code_point, char bytes[GRID_UTF8_MAX])
{
    size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};

    for (size_t i = length - 1; i > 0; i--) {
        bytes[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    bytes[0] = (char)(lead[length] | code_point);
    return length;
}
