/* The set of origins that have answered without HTTP/2.
 *
 * Owns: a table of fixed size; the oldest entry is replaced if the table is full.
 * Does not know: URLs; an origin is a number, see grid_url_origin. */
#ifndef GRID_HTTP_ORIGINS_H
#define GRID_HTTP_ORIGINS_H

#include <stdbool.h>
#include <stdint.h>

enum { GRID_ORIGINS_MAX = 64 };

typedef struct grid_origins {
    uint64_t table[GRID_ORIGINS_MAX]; /* 0: free */
    unsigned next;
} grid_origins;

bool grid_origins_has(const grid_origins *origins, uint64_t origin);
void grid_origins_add(grid_origins *origins, uint64_t origin);
void grid_origins_remove(grid_origins *origins, uint64_t origin);

#endif
