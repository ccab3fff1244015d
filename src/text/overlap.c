#define _GNU_SOURCE /* memmem */
#include "text/overlap.h"

#include <stdint.h>
#include <string.h>

enum { GRAM = 2, MARKS = 1 << 8 * GRAM };

static size_t mark_of(const char *at)
{
    uint16_t gram;

    memcpy(&gram, at, sizeof gram);
    return gram;
}

/* Does `text` hold one of the runs of `other` that contain the gram at `at`? */
static bool holds_run(grid_slice text, grid_slice other, size_t at, size_t size)
{
    size_t first = at + GRAM > size ? at + GRAM - size : 0;

    for (; first <= at && first + size <= other.size; first++)
        if (memmem(text.data, text.size, other.data + first, size))
            return true;
    return false;
}

/* A run of `size` bytes has size - GRAM + 1 grams, so that the second loop, whose step is
 * that number, tests one of them. */
bool grid_overlaps(grid_slice text, grid_slice other, size_t size)
{
    uint64_t marks[MARKS / 64] = {0};
    size_t i, mark;

    if (text.size < size || other.size < size)
        return false;
    for (i = 0; i + GRAM <= text.size; i++) {
        mark = mark_of(text.data + i);
        marks[mark / 64] |= (uint64_t)1 << mark % 64;
    }
    for (i = 0; i + GRAM <= other.size; i += size - GRAM + 1) {
        mark = mark_of(other.data + i);
        if (marks[mark / 64] >> mark % 64 & 1 && holds_run(text, other, i, size))
            return true;
    }
    return false;
}
