/* A reference to bytes that another object owns. Valid as long as the owner does not
 * change or free them.
 * Owns: nothing. Does not know: the owner. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

#include <stddef.h>

typedef struct grid_slice {
    const char *data;
    size_t size;
} grid_slice;

#endif
