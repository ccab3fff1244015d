#include "text/visible.h"

#include "text/utf8.h"

#include <stdint.h>

typedef enum kind { VISIBLE, BREAKING, INVISIBLE, INVALID } kind;

typedef struct range {
    uint32_t first, last;
    kind kind;
} range;

/* In order. INVISIBLE: Default_Ignorable_Code_Point of Unicode 15, directional marks and
 * annotations. */
static const range ranges[] = {
    {0x0000, 0x001F, BREAKING}, {0x007F, 0x009F, BREAKING}, {0x00AD, 0x00AD, INVISIBLE},     {0x034F, 0x034F, INVISIBLE},
    {0x061C, 0x061C, INVISIBLE},   {0x115F, 0x1160, INVISIBLE},   {0x17B4, 0x17B5, INVISIBLE},     {0x180B, 0x180F, INVISIBLE},
    {0x200B, 0x200F, INVISIBLE},   {0x2028, 0x2029, BREAKING}, {0x202A, 0x202E, INVISIBLE},     {0x2060, 0x206F, INVISIBLE},
    {0x3164, 0x3164, INVISIBLE},   {0xFE00, 0xFE0F, INVISIBLE},   {0xFEFF, 0xFEFF, INVISIBLE},     {0xFFA0, 0xFFA0, INVISIBLE},
    {0xFFF0, 0xFFFB, INVISIBLE},   {0x1BCA0, 0x1BCA3, INVISIBLE}, {0x1D173, 0x1D17A, INVISIBLE},   {0xE0000, 0xE0FFF, INVISIBLE},
};

typedef struct character {
    uint32_t code_point;
    size_t length;
    kind kind;
} character;

static kind kind_of(uint32_t code_point)
{
    size_t i;

    for (i = 0; i < sizeof ranges / sizeof ranges[0] && ranges[i].first <= code_point; i++)
        if (code_point <= ranges[i].last)
            return ranges[i].kind;
    return VISIBLE;
}

static character read_character(const char *at, const char *end)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    character read = {.length = grid_utf8_length(at, end)};
    size_t i;

    if (!read.length)
        return (character){GRID_UTF8_REPLACEMENT, 1, INVALID};
    read.code_point = (unsigned char)at[0] & lead_bits[read.length];
    for (i = 1; i < read.length; i++)
        read.code_point = read.code_point << 6 | ((unsigned char)at[i] & 0x3F);
    read.kind = kind_of(read.code_point);
    return read;
}

/* The first character of another kind than VISIBLE, or the end. */
static const char *skip_visible(const char *at, const char *end, character *other)
{
    while (at < end) {
        if (*at >= 0x20 && *at < 0x7F) {
            at++;
            continue;
        }
        *other = read_character(at, end);
        if (other->kind != VISIBLE)
            break;
        at += other->length;
    }
    return at;
}

bool grid_is_visible(grid_slice text)
{
    const char *end = text.data + text.size;
    character other = {.kind = VISIBLE};

    return skip_visible(text.data, end, &other) == end;
}

bool grid_visible_text(grid_slice text, grid_buffer *out, grid_error *err)
{
    static const char *const shown[] = {[BREAKING] = " ", [INVISIBLE] = "", [INVALID] = "\xEF\xBF\xBD"};
    const char *at = text.data, *end = text.data + text.size, *next;
    bool after_break = false; /* the output ends with the blank of a line break */
    character other = {.kind = VISIBLE};

    while (at < end) {
        next = skip_visible(at, end, &other);
        if (!grid_buffer_append(out, at, (size_t)(next - at), err))
            return false;
        after_break = after_break && next == at;
        at = next;
        if (at == end)
            break;
        if (!(other.kind == BREAKING && after_break) && !grid_buffer_append_text(out, shown[other.kind], err))
            return false;
        after_break = other.kind == BREAKING || (other.kind == INVISIBLE && after_break);
        at += other.length;
    }
    return true;
}

static bool append_unit(uint32_t unit, grid_buffer *out, grid_error *err)
{
    static const char digits[] = "0123456789abcdef";
    const char text[] = {'\\', 'u', digits[unit >> 12 & 15], digits[unit >> 8 & 15], digits[unit >> 4 & 15], digits[unit & 15]};

    return grid_buffer_append(out, text, sizeof text, err);
}

/* RFC 8259 section 7. Below U+0020 valid JSON has blanks between its tokens and nothing
 * else. */
static bool append_escape(uint32_t code_point, grid_buffer *out, grid_error *err)
{
    const char blank = (char)code_point;

    if (code_point < 0x20)
        return grid_buffer_append(out, &blank, 1, err);
    if (code_point < 0x10000)
        return append_unit(code_point, out, err);
    code_point -= 0x10000;
    return append_unit(0xD800 | code_point >> 10, out, err) && append_unit(0xDC00 | (code_point & 0x3FF), out, err);
}

bool grid_visible_json(grid_slice json, grid_buffer *out, grid_error *err)
{
    const char *at = json.data, *end = json.data + json.size, *next;
    character other = {.kind = VISIBLE};

    while (at < end) {
        next = skip_visible(at, end, &other);
        if (!grid_buffer_append(out, at, (size_t)(next - at), err))
            return false;
        at = next;
        if (at == end)
            break;
        if (!append_escape(other.code_point, out, err))
            return false;
        at += other.length;
    }
    return true;
}
