#define _GNU_SOURCE /* memmem */
#include "text/overlap.h"

#include <stdint.h>
#include <string.h>

enum { MARKS = 4096 }; /* few of them are set by a text of some hundred bytes */

static size_t mark_of(const char *at)
{
    uint32_t first_bytes;

    memcpy(&first_bytes, at, sizeof first_bytes);
    return first_bytes * 0x9E3779B1u >> 20;
}

bool grid_overlaps(grid_slice text, grid_slice other, size_t size)
{
    uint64_t marks[MARKS / 64] = {0};
    size_t i, mark;

    if (text.size < size || other.size < size)
        return false;
    for (i = 0; i + size <= text.size; i++) {
        mark = mark_of(text.data + i);
        marks[mark / 64] |= (uint64_t)1 << mark % 64;
    }
    for (i = 0; i + size <= other.size; i++) {
        mark = mark_of(other.data + i);
        if (marks[mark / 64] >> mark % 64 & 1 && memmem(text.data, text.size, other.data + i, size))
            return true;
    }
    return false;
}
