#include "text/json_string.h"

#include "base/alloc.h"
#include "text/json.h"
#include "text/scan.h"

enum { HIGH_FIRST = 0xD800, LOW_FIRST = 0xDC00, LOW_LAST = 0xDFFF, WORD_LENGTH = 6 /* \uXXXX */ };

static uint32_t read_hex4(const char *digit)
{
    uint32_t value = 0;

    for (int i = 0; i < 4; i++) {
        uint32_t letter = (unsigned char)digit[i];

        value = value << 4 | (letter <= '9' ? letter - '0' : (letter | 0x20) - 'a' + 10);
    }
    return value;
}

bool grid_json_is_surrogate(uint32_t code_point)
{
    return code_point >= HIGH_FIRST && code_point <= LOW_LAST;
}

static bool low_follows(const char *at, const char *end, uint32_t *low)
{
    if (end - at < WORD_LENGTH || at[0] != '\\' || at[1] != 'u')
        return false;
    *low = read_hex4(at + 2);
    return *low >= LOW_FIRST && *low <= LOW_LAST;
}

uint32_t grid_json_escape_read(const char **at, const char *end)
{
    char letter = (*at)[1];
    uint32_t high;
    uint32_t low;

    if (letter != 'u') {
        *at += 2;
        switch (letter) {
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return (unsigned char)letter;
        }
    }
    high = read_hex4(*at + 2);
    *at += WORD_LENGTH;
    if (high < HIGH_FIRST || high >= LOW_FIRST || !low_follows(*at, end, &low))
        return high;
    *at += WORD_LENGTH;
    return 0x10000 + ((high - HIGH_FIRST) << 10) + (low - LOW_FIRST);
}

static char short_escape(uint32_t code_point)
{
    switch (code_point) {
    case '\b': return 'b';
    case '\f': return 'f';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '"': return '"';
    case '\\': return '\\';
    default: return '\0';
    }
}

size_t grid_json_escape_write(uint32_t code_point, char text[GRID_JSON_ESCAPE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    char letter = short_escape(code_point);

    if (!letter && code_point >= 0x20)
        return grid_utf8_write(code_point, text);
    text[0] = '\\';
    text[1] = letter;
    if (letter)
        return 2;
    memcpy(text + 1, "u00", 3);
    text[4] = hex[code_point >> 4];
    text[5] = hex[code_point & 15];
    return WORD_LENGTH;
}

void grid_text_rewind(grid_buffer *buffer, size_t size)
{
    if (buffer->data) {
        grid_wipe(buffer->data + size, buffer->size - size);
        buffer->size = size;
    }
}

static bool unquote(grid_slice raw, grid_buffer *out, grid_error *err)
{
    const char *at = raw.data + 1;
    const char *end = raw.data + raw.size - 1;

    while (at < end) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape ? escape : end;
        char bytes[GRID_UTF8_MAX];
        uint32_t code_point;

        if (!grid_buffer_append(out, at, (size_t)(stop - at), err))
            return false;
        at = stop;
        if (at == end)
            break;
        code_point = grid_json_escape_read(&at, end);
        if (grid_json_is_surrogate(code_point))
            code_point = GRID_UTF8_REPLACEMENT;
        if (!grid_buffer_append(out, bytes, grid_utf8_write(code_point, bytes), err))
            return false;
    }
    return true;
}

bool grid_json_unquote(grid_slice raw, grid_buffer *out, grid_error *err)
{
    size_t before = out->size;

    if (unquote(raw, out, err))
        return true;
    grid_text_rewind(out, before);
    return false;
}

static bool quote(grid_slice text, grid_buffer *out, grid_error *err)
{
    const char *at = text.data;
    const char *end = text.data + text.size;

    while (at < end) {
        const char *run = at;
        char escape[GRID_JSON_ESCAPE_MAX];
        size_t length = 1;

        while (length > 0 && (at = grid_scan_plain(at, end)) < end && (unsigned char)*at >= 0x80)
            at += length = grid_utf8_length(at, end);
        if (length == 0)
            return grid_error_set(err, GRID_REQUEST, "bad_utf8", "not UTF-8 at byte %zu",
                                  (size_t)(at - text.data));
        if (!grid_buffer_append(out, run, (size_t)(at - run), err))
            return false;
        if (at < end && !grid_buffer_append(out, escape, grid_json_escape_write((unsigned char)*at++, escape), err))
            return false;
    }
    return true;
}

bool grid_json_quote(grid_slice text, grid_buffer *out, grid_error *err)
{
    size_t before = out->size;

    if (grid_buffer_append(out, "\"", 1, err) && (text.size == 0 || quote(text, out, err)) &&
        grid_buffer_append(out, "\"", 1, err))
        return true;
    grid_text_rewind(out, before);
    return false;
}
