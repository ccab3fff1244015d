/* Skips the blanks, and the plain part of a string, of JSON text.
 *
 * Owns: which bytes are blank or plain. Does not know: the grammar. Never reads at or
 * past `end`; returns `end` when the run does not stop earlier. */
#ifndef GRID_TEXT_SCAN_H
#define GRID_TEXT_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline const char *grid_scan_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* ASCII that needs no escape inside a string: no control, no quote, no backslash. */
static inline bool grid_scan_is_plain(char byte)
{
    return (signed char)byte >= 0x20 && byte != '"' && byte != '\\';
}

/* Eight bytes at once: a top bit for each byte that is not plain. Subtracting 1 (or 0x20)
 * from a byte borrows into its top bit exactly when the byte is 0 (or below 0x20); a
 * borrow from the next byte affects only bytes after that one. */
static inline uint64_t grid_scan_marks(const char bytes[8])
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    uint64_t quote = word ^ (ones * '"');
    uint64_t backslash = word ^ (ones * '\\');
    return (word | (word - ones * 0x20) | (quote - ones) | (backslash - ones)) & (ones * 0x80);
}

static inline const char *grid_scan_plain(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t marks = grid_scan_marks(at);

        if (!marks)
            continue;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        return at + __builtin_ctzll(marks) / 8;
#else
        break;
#endif
    }
    while (at < end && grid_scan_is_plain(*at))
        at++;
    return at;
}

#endif
