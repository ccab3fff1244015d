#include "text/base64.h"

#include "base/alloc.h"

enum { NOT_A_DIGIT = 0x80 };

typedef struct alphabet {
    const char *digits; /* for the values 0 to 63 */
    bool is_padded;
} alphabet;

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const alphabet standard = {LETTERS "+/", true};
static const alphabet url = {LETTERS "-_", false};

/* ---- Encoding ---------------------------------------------------------------------- */

static void encode_group(const char *digits, const unsigned char in[3], char to[4])
{
    to[0] = digits[in[0] >> 2];
    to[1] = digits[(in[0] & 3) << 4 | in[1] >> 4];
    to[2] = digits[(in[1] & 15) << 2 | in[2] >> 6];
    to[3] = digits[in[2] & 63];
}

/* One or two bytes are left. Returns the end of what was written. */
static char *encode_last(const alphabet *in_use, const unsigned char *in, size_t left, char *to)
{
    const unsigned char filled[3] = {in[0], left == 2 ? in[1] : 0, 0};
    char group[4];

    encode_group(in_use->digits, filled, group);
    for (size_t i = 0; i < 4; i++) {
        if (i <= left)
            *to++ = group[i];
        else if (in_use->is_padded)
            *to++ = '=';
    }
    grid_wipe(group, sizeof group);
    return to;
}

static bool encode(const alphabet *in_use, grid_slice bytes, grid_buffer *out, grid_error *err)
{
    const unsigned char *in = (const unsigned char *)bytes.data;
    size_t left = bytes.size;
    char *to;

    /* No object exceeds PTRDIFF_MAX, so 4/3 of its size fits in a size_t. */
    if (!grid_buffer_reserve(out, (left + 2) / 3 * 4, err))
        return false;
    to = out->data + out->size;
    for (; left >= 3; left -= 3, in += 3, to += 4)
        encode_group(in_use->digits, in, to);
    if (left > 0)
        to = encode_last(in_use, in, left, to);
    *to = '\0';
    out->size = (size_t)(to - out->data);
    return true;
}

bool grid_base64_encode(grid_slice bytes, grid_buffer *out, grid_error *err)
{
    return encode(&standard, bytes, out, err);
}

bool grid_base64url_encode(grid_slice bytes, grid_buffer *out, grid_error *err)
{
    return encode(&url, bytes, out, err);
}

/* ---- Decoding ---------------------------------------------------------------------- */

static unsigned value_of(const alphabet *in_use, char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return (unsigned)(digit - 'A');
    if (digit >= 'a' && digit <= 'z')
        return (unsigned)(digit - 'a') + 26;
    if (digit >= '0' && digit <= '9')
        return (unsigned)(digit - '0') + 52;
    return digit == in_use->digits[62] ? 62 : digit == in_use->digits[63] ? 63 : NOT_A_DIGIT;
}

/* Four digits become three bytes. Returns NOT_A_DIGIT when one of the four is not of the
 * alphabet. */
static unsigned decode_group(const alphabet *in_use, const char *digit, char to[3])
{
    unsigned a = value_of(in_use, digit[0]);
    unsigned b = value_of(in_use, digit[1]);
    unsigned c = value_of(in_use, digit[2]);
    unsigned d = value_of(in_use, digit[3]);

    to[0] = (char)(a << 2 | b >> 4);
    to[1] = (char)(b << 4 | c >> 2);
    to[2] = (char)(c << 6 | d);
    return (a | b | c | d) & NOT_A_DIGIT;
}

/* Two or three digits are left, which are one or two bytes. RFC 4648 section 3.5: the
 * bits that are left over must be zero, or two texts would encode the same bytes. */
static bool decode_last(const alphabet *in_use, const char *digit, size_t count, char *to)
{
    char filled[4] = {digit[0], digit[1], count > 2 ? digit[2] : 'A', 'A'};
    char bytes[3];
    bool good = decode_group(in_use, filled, bytes) == 0;

    for (size_t i = 0; i < 3; i++) {
        if (i + 1 < count)
            to[i] = bytes[i];
        else
            good = good && bytes[i] == 0;
    }
    grid_wipe(filled, sizeof filled);
    grid_wipe(bytes, sizeof bytes);
    return good;
}

/* `text` is without padding. Decodes to `to`; false when the text is not canonical. */
static bool decode_digits(const alphabet *in_use, grid_slice text, char *to)
{
    unsigned bad = 0;

    for (; text.size >= 4; text.data += 4, text.size -= 4, to += 3)
        bad |= decode_group(in_use, text.data, to);
    return (text.size == 0 || decode_last(in_use, text.data, text.size, to)) && !bad;
}

static bool decode(const alphabet *in_use, grid_slice digits, grid_buffer *out, grid_error *err)
{
    size_t size = digits.size / 4 * 3 + (digits.size % 4 ? digits.size % 4 - 1 : 0);
    bool good;

    if (!grid_buffer_reserve(out, size, err))
        return false;
    good = digits.size % 4 != 1 && decode_digits(in_use, digits, out->data + out->size);
    if (good)
        out->size += size;
    else
        grid_wipe(out->data + out->size, size);
    out->data[out->size] = '\0';
    return good || grid_error_set(err, GRID_REQUEST, "bad_base64", "the text is not canonical base64");
}

static size_t padding_of(grid_slice text)
{
    if (text.size == 0 || text.data[text.size - 1] != '=')
        return 0;
    return text.data[text.size - 2] == '=' ? 2 : 1;
}

bool grid_base64_decode(grid_slice text, grid_buffer *out, grid_error *err)
{
    if (text.size % 4 != 0)
        return grid_error_set(err, GRID_REQUEST, "bad_base64", "the text is not canonical base64");
    text.size -= padding_of(text);
    return decode(&standard, text, out, err);
}

bool grid_base64url_decode(grid_slice text, grid_buffer *out, grid_error *err)
{
    return decode(&url, text, out, err);
}
