#include "text/base64.h"

#include "base/alloc.h"

#include <stdint.h>

enum { NOT_A_DIGIT = 0x80 };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static unsigned value_of(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return (unsigned)(digit - 'A');
    if (digit >= 'a' && digit <= 'z')
        return (unsigned)(digit - 'a') + 26;
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0') + 52;
    return digit == '+' ? 62 : digit == '/' ? 63 : NOT_A_DIGIT;
}

bool grid_base64_encode(grid_slice bytes, grid_buffer *out, grid_error *err)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    size_t left = bytes.size;
    /* No object exceeds PTRDIFF_MAX, so 4/3 of its size fits in a size_t. */
    size_t size = (left + 2) / 3 * 4;
    char *to;

    if (!grid_buffer_reserve(out, size, err))
        return false;
    to = out->data + out->size;
    for (; left >= 3; left -= 3, in += 3, to += 4) {
        to[0] = digits[in[0] >> 2];
        to[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
        to[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
        to[3] = digits[in[2] & 63];
    }
    if (left > 0) {
        unsigned second = left == 2 ? in[1] : 0;

        to[0] = digits[in[0] >> 2];
        to[1] = digits[(in[0] & 3U) << 4 | second >> 4];
        to[2] = left == 2 ? digits[(second & 15) << 2] : '=';
        to[3] = '=';
    }
    out->size += size;
    out->data[out->size] = '\0';
    return true;
}

/* Four digits become three bytes. NOT_A_DIGIT in the result: one of them was none. */
static unsigned decode_group(const char *digit, char to[3])
{
    unsigned a = value_of(digit[0]);
    unsigned b = value_of(digit[1]);
    unsigned c = value_of(digit[2]);
    unsigned d = value_of(digit[3]);

    to[0] = (char)(a << 2 | b >> 4);
    to[1] = (char)(b << 4 | c >> 2);
    to[2] = (char)(c << 6 | d);
    return (a | b | c | d) & NOT_A_DIGIT;
}

/* RFC 4648 section 3.5: the bits that the padding leaves over must be zero, or two texts would mean
 * the same bytes. */
static bool decode_last(const char *digit, size_t padding, char *to)
{
    char filled[4] = {digit[0], digit[1], padding < 2 ? digit[2] : 'A',
                      padding < 1 ? digit[3] : 'A'};
    char bytes[3];
    bool good = decode_group(filled, bytes) == 0;

    for (size_t i = 0; i < 3 - padding; i++)
        to[i] = bytes[i];
    for (size_t i = 3 - padding; i < 3; i++)
        good = good && bytes[i] == 0;
    grid_wipe(filled, sizeof filled);
    grid_wipe(bytes, sizeof bytes);
    return good;
}

/* Decodes to `to`; false when the text is not canonical. */
static bool decode(grid_slice text, size_t padding, char *to)
{
    unsigned bad = 0;

    if (text.size == 0)
        return true;
    for (size_t i = 0; i + 4 < text.size; i += 4, to += 3)
        bad |= decode_group(text.data + i, to);
    return decode_last(text.data + text.size - 4, padding, to) && !bad;
}

static size_t padding_of(grid_slice text)
{
    if (text.size == 0 || text.data[text.size - 1] != '=')
        return 0;
    return text.data[text.size - 2] == '=' ? 2 : 1;
}

bool grid_base64_decode(grid_slice text, grid_buffer *out, grid_error *err)
{
    if (text.size % 4 == 0) {
        size_t padding = padding_of(text);
        size_t size = text.size / 4 * 3 - padding;
        bool good;

        if (!grid_buffer_reserve(out, size, err))
            return false;
        good = decode(text, padding, out->data + out->size);
        if (good)
            out->size += size;
        else
            grid_wipe(out->data + out->size, size);
        out->data[out->size] = '\0';
        if (good)
            return true;
    }
    return grid_error_set(err, GRID_REQUEST, "bad_base64", "not canonical base64");
}
