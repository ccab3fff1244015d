/* A window on bytes that another object owns. Valid as long as the owner keeps them
 * unchanged. */
#ifndef GRID_BASE_SLICE_H
#define GRID_BASE_SLICE_H

#include <stddef.h>

typedef struct grid_slice {
    const char *data;
    size_t size;
} grid_slice;

#endif
