/* Classes and case of ASCII characters, in every locale: tolower, isalpha and strncasecmp
 * follow the program's locale; under tr_TR, "i" is not the lower case of "I".
 * Owns: nothing. Does not know: the text. */
#ifndef GRID_BASE_ASCII_H
#define GRID_BASE_ASCII_H

#include <stdbool.h>

static inline char grid_ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
}

static inline bool grid_ascii_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool grid_ascii_is_letter(char byte)
{
    char lower = grid_ascii_lower(byte);

    return lower >= 'a' && lower <= 'z';
}

#endif
