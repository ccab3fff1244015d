/* A reference to bytes that another object owns. Valid as long as the owner does not
 * change or free them.
 * Owns: nothing. Does not know: the owner. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

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

#endif
