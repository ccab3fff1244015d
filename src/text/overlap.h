/* Checks whether two texts have a common substring, in one pass over each.
 *
 * Owns: nothing. Does not know: what the bytes mean, and which text is the secret. */
#ifndef GRID_TEXT_OVERLAP_H
#define GRID_TEXT_OVERLAP_H

#include "base/slice.h"

#include <stdbool.h>

enum { GRID_OVERLAP_MIN = 4, GRID_OVERLAP_MAX = 64 };

/* True: a substring of `size` bytes, GRID_OVERLAP_MIN to GRID_OVERLAP_MAX, is in both.
 * Fast if `text` is short. */
bool grid_overlaps(grid_slice text, grid_slice other, size_t size);

#endif
