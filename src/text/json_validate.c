/* Accepts or refuses a whole JSON text (RFC 8259). One pass, no recursion, no
 * allocation. */
#include "base/ascii.h"
#include "text/json.h"
#include "text/scan.h"
#include "text/utf8.h"

#include <stdint.h>
#include <string.h>

typedef struct scanner {
    const char *start;
    const char *at;
    const char *end;
    uint64_t objects; /* a bit for each open level, the innermost lowest: 0 is an array */
    unsigned depth;
    unsigned char open[GRID_JSON_MAX_DEPTH]; /* index in the counts, by open level */
    grid_json_counts *counts;
    grid_error *err;
} scanner;

_Static_assert(GRID_JSON_MAX_DEPTH <= 64, "one bit of scanner.objects for each level");

typedef enum progress { REFUSED, BEFORE_VALUE, AFTER_VALUE } progress;

static bool refuse_json(scanner *scan)
{
    return grid_error_set(scan->err, GRID_PROTOCOL, "bad_json", "not JSON at byte %zu",
                          (size_t)(scan->at - scan->start));
}

/* The next byte, not consumed; NUL, which no grammar rule takes, at the end. */
static char peek(const scanner *scan)
{
    return scan->at < scan->end ? *scan->at : '\0';
}

static char peek_past_blanks(scanner *scan)
{
    scan->at = grid_scan_blanks(scan->at, scan->end);
    return peek(scan);
}

static bool scan_hex4(scanner *scan)
{
    for (int i = 0; i < 4; i++, scan->at++) {
        char byte = peek(scan);

        if (!grid_ascii_is_digit(byte) && !(byte >= 'a' && byte <= 'f') && !(byte >= 'A' && byte <= 'F'))
            return refuse_json(scan);
    }
    return true;
}

static bool scan_escape(scanner *scan)
{
    scan->at++;
    switch (peek(scan)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        scan->at++;
        return true;
    case 'u':
        scan->at++;
        return scan_hex4(scan);
    default:
        return refuse_json(scan);
    }
}

static bool scan_wide(scanner *scan)
{
    size_t length = grid_utf8_length(scan->at, scan->end);

    if (length == 0)
        return grid_error_set(scan->err, GRID_PROTOCOL, "bad_utf8", "not UTF-8 at byte %zu",
                              (size_t)(scan->at - scan->start));
    scan->at += length;
    return true;
}

static bool scan_string(scanner *scan)
{
    if (peek(scan) != '"')
        return refuse_json(scan);
    scan->at++;
    for (;;) {
        bool good;

        scan->at = grid_scan_plain(scan->at, scan->end);
        if (peek(scan) == '"')
            break;
        if (peek(scan) == '\\')
            good = scan_escape(scan);
        else if ((unsigned char)peek(scan) >= 0x80)
            good = scan_wide(scan);
        else
            good = refuse_json(scan); /* a control character, or the end of the text */
        if (!good)
            return false;
    }
    scan->at++;
    return true;
}

static bool scan_digits(scanner *scan)
{
    if (!grid_ascii_is_digit(peek(scan)))
        return refuse_json(scan);
    while (grid_ascii_is_digit(peek(scan)))
        scan->at++;
    return true;
}

static bool scan_number(scanner *scan)
{
    if (peek(scan) == '-')
        scan->at++;
    if (peek(scan) == '0')
        scan->at++;
    else if (!scan_digits(scan))
        return false;
    if (peek(scan) == '.') {
        scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->at++;
        return scan_digits(scan);
    }
    return true;
}

static bool scan_word(scanner *scan, const char *word)
{
    for (; *word; word++, scan->at++)
        if (peek(scan) != *word)
            return refuse_json(scan);
    return true;
}

static bool scan_name(scanner *scan)
{
    peek_past_blanks(scan);
    if (!scan_string(scan))
        return false;
    if (peek_past_blanks(scan) != ':')
        return refuse_json(scan);
    scan->at++;
    return true;
}

/* Begins the count of another object or array. */
static unsigned char place_in_counts(grid_json_counts *counts)
{
    size_t place = counts->count < GRID_JSON_COUNTED ? counts->count++ : GRID_JSON_COUNTED;

    counts->of[place] = 0;
    return (unsigned char)place;
}

static progress open_level(scanner *scan, bool object)
{
    unsigned char place = place_in_counts(scan->counts);

    if (scan->depth == GRID_JSON_MAX_DEPTH) {
        grid_error_set(scan->err, GRID_PROTOCOL, "too_deep", "more than %d levels at byte %zu",
                       GRID_JSON_MAX_DEPTH, (size_t)(scan->at - scan->start));
        return REFUSED;
    }
    scan->at++;
    if (peek_past_blanks(scan) == (object ? '}' : ']')) {
        scan->at++;
        return AFTER_VALUE;
    }
    scan->counts->of[place] = 1;
    scan->open[scan->depth++] = place;
    scan->objects = scan->objects << 1 | object;
    return !object || scan_name(scan) ? BEFORE_VALUE : REFUSED;
}

/* A scalar, or the beginning of an object or array up to its first value. */
static progress begin_value(scanner *scan)
{
    bool good;

    switch (peek_past_blanks(scan)) {
    case '{':
        return open_level(scan, true);
    case '[':
        return open_level(scan, false);
    case '"':
        good = scan_string(scan);
        break;
    case 't':
        good = scan_word(scan, "true");
        break;
    case 'f':
        good = scan_word(scan, "false");
        break;
    case 'n':
        good = scan_word(scan, "null");
        break;
    default:
        good = scan_number(scan);
        break;
    }
    return good ? AFTER_VALUE : REFUSED;
}

/* Closes the levels that end here; up to the next value, or to the end of the text. */
static progress end_value(scanner *scan)
{
    for (;;) {
        char byte = peek_past_blanks(scan);
        bool object = scan->objects & 1;

        if (scan->depth == 0) {
            if (scan->at == scan->end)
                return AFTER_VALUE;
            break;
        }
        if (byte == ',') {
            scan->at++;
            scan->counts->of[scan->open[scan->depth - 1]]++;
            return !object || scan_name(scan) ? BEFORE_VALUE : REFUSED;
        }
        if (byte != (object ? '}' : ']'))
            break;
        scan->at++;
        scan->depth--;
        scan->objects >>= 1;
    }
    refuse_json(scan);
    return REFUSED;
}

bool grid_json_count(grid_slice text, grid_json_counts *counts, grid_error *err)
{
    const char *start = text.size ? text.data : "";
    scanner scan = {.start = start, .at = start, .end = start + text.size, .counts = counts, .err = err};
    progress step = BEFORE_VALUE;

    counts->count = 0;
    while (step == BEFORE_VALUE) {
        step = begin_value(&scan);
        if (step == AFTER_VALUE)
            step = end_value(&scan);
    }
    return step == AFTER_VALUE;
}

bool grid_json_validate(grid_slice text, grid_error *err)
{
    grid_json_counts counts;

    return grid_json_count(text, &counts, err);
}

grid_slice grid_json_skip_mark(grid_slice text)
{
    static const char mark[] = "\xEF\xBB\xBF";

    if (text.size < sizeof mark - 1 || memcmp(text.data, mark, sizeof mark - 1) != 0)
        return text;
    return (grid_slice){text.data + sizeof mark - 1, text.size - (sizeof mark - 1)};
}
