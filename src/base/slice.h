/* A reference to bytes that another object owns. Valid as long as the owner does not
 * change or free them.
 * Owns: nothing. Does not know: the owner. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

#include "base/ascii.h"

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

/* Does the slice begin with `lower`, a lower-case text, in any case? */
static inline bool grid_slice_begins(grid_slice slice, const char *lower)
{
    size_t i = 0;

    while (lower[i] && i < slice.size && grid_ascii_lower(slice.data[i]) == lower[i])
        i++;
    return !lower[i];
}

/* Is the slice equal to `lower`, a lower-case text, in any case? */
static inline bool grid_slice_is(grid_slice slice, const char *lower)
{
    return slice.size == strlen(lower) && grid_slice_begins(slice, lower);
}

#endif
