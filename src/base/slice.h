/* A reference to bytes that another object owns. Valid as long as the owner does not
 * change or free them.
 * Owns: nothing. Does not know: the owner. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct grid_slice {
    const char *data;
    size_t size;
} grid_slice;

/* In the order of the bytes: negative, 0, or positive. */
static inline int grid_slice_compare(grid_slice one, grid_slice other)
{
    int order = memcmp(one.data, other.data, one.size < other.size ? one.size : other.size);

    return order ? order : (one.size > other.size) - (one.size < other.size);
}

/* tolower, isalpha and strncasecmp follow the locale: under tr_TR, "i" is not the lower
 * case of "I". */
static inline unsigned char grid_ascii_lower(unsigned char byte)
{
    return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte;
}

/* Does the slice begin with `lower`, a lower-case text, in any case? */
static inline bool grid_slice_begins(grid_slice slice, const char *lower)
{
    size_t i = 0;

    while (lower[i] && i < slice.size && grid_ascii_lower((unsigned char)slice.data[i]) == (unsigned char)lower[i])
        i++;
    return !lower[i];
}

#endif
