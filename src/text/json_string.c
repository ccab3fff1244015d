#include "text/json_string.h"

#include "text/json.h"
#include "text/scan.h"

enum { HIGH_FIRST = 0xD800, LOW_FIRST = 0xDC00, LOW_LAST = 0xDFFF };
enum { ESCAPE_MAX = 6 /* \uXXXX */ };

/* The escapes of one letter: \b is a backspace, … */
static const char letters[] = "bfnrt\"\\";
static const char meanings[] = "\b\f\n\r\t\"\\";

/* NUL when `from` has no such byte. */
static char translate(char byte, const char *from, const char *to)
{
    const char *found = strchr(from, byte);

    return found ? to[found - from] : '\0';
}

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
    if (end - at < ESCAPE_MAX || at[0] != '\\' || at[1] != 'u')
        return false;
    *low = read_hex4(at + 2);
    return *low >= LOW_FIRST && *low <= LOW_LAST;
}

uint32_t grid_json_escape_read(const char **at, const char *end)
{
    char letter = (*at)[1];
    char meaning;
    uint32_t high;
    uint32_t low;

    if (letter != 'u') {
        *at += 2;
        meaning = translate(letter, letters, meanings);
        return (unsigned char)(meaning ? meaning : letter); /* "\/" is a solidus */
    }
    high = read_hex4(*at + 2);
    *at += ESCAPE_MAX;
    if (high < HIGH_FIRST || high >= LOW_FIRST || !low_follows(*at, end, &low))
        return high;
    *at += ESCAPE_MAX;
    return 0x10000 + ((high - HIGH_FIRST) << 10) + (low - LOW_FIRST);
}

/* A byte that must be escaped, in the form of RFC 8785 section 3.2.2.2. */
static size_t write_escape(unsigned char byte, char text[ESCAPE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    char letter = translate((char)byte, meanings, letters);

    text[0] = '\\';
    text[1] = letter;
    if (letter)
        return 2;
    memcpy(text + 1, "u00", 3);
    text[4] = hex[byte >> 4];
    text[5] = hex[byte & 15];
    return ESCAPE_MAX;
}

size_t grid_json_unescape(const char **at, const char *end, char bytes[GRID_UTF8_MAX])
{
    uint32_t code_point = grid_json_escape_read(at, end);

    return grid_utf8_write(grid_json_is_surrogate(code_point) ? GRID_UTF8_REPLACEMENT : code_point,
                           bytes);
}

static bool unquote(grid_slice raw, grid_buffer *out, grid_error *err)
{
    const char *at = raw.data + 1;
    const char *end = raw.data + raw.size - 1;

    for (;;) {
        const char *escape = memchr(at, '\\', (size_t)(end - at));
        const char *stop = escape ? escape : end;
        char bytes[GRID_UTF8_MAX];

        if (!grid_buffer_append(out, at, (size_t)(stop - at), err))
            return false;
        if (stop == end)
            return true;
        at = stop;
        if (!grid_buffer_append(out, bytes, grid_json_unescape(&at, end, bytes), err))
            return false;
    }
}

bool grid_json_unquote(grid_slice raw, grid_buffer *out, grid_error *err)
{
    size_t before = out->size;

    if (unquote(raw, out, err))
        return true;
    grid_buffer_truncate(out, before);
    return false;
}

/* Moves *at over the characters that need no escape. False: the bytes at *at are not
 * UTF-8. */
static bool skip_unescaped(const char **at, const char *end)
{
    for (;;) {
        size_t length;

        *at = grid_scan_plain(*at, end);
        if (*at == end || (unsigned char)**at < 0x80)
            return true;
        length = grid_utf8_length(*at, end);
        if (length == 0)
            return false;
        *at += length;
    }
}

static bool quote(grid_slice text, grid_buffer *out, grid_error *err)
{
    const char *at = text.data;
    const char *end = text.data + text.size;

    while (at < end) {
        const char *run = at;
        char escape[ESCAPE_MAX];

        if (!skip_unescaped(&at, end))
            return grid_error_set(err, GRID_REQUEST, "bad_utf8", "not UTF-8 at byte %zu",
                                  (size_t)(at - text.data));
        if (!grid_buffer_append(out, run, (size_t)(at - run), err))
            return false;
        if (at < end &&
            !grid_buffer_append(out, escape, write_escape((unsigned char)*at++, escape), err))
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
    grid_buffer_truncate(out, before);
    return false;
}
