/* Bytes that belong to somebody else: a window, never a copy. Valid only as long as the owner keeps them. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

#include <stddef.h>

typedef struct grid_slice {
    const char *data;
    size_t size;
} grid_slice;

#endif
