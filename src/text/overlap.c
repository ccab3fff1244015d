#define _GNU_SOURCE /* memmem */
#include "text/overlap.h"

#include <stdint.h>
#include <string.h>

enum { GRAM = 2, BYTES = 256, BITS = 64 };

/* The marks of a byte: its positions in the text, modulo BITS. Those of a gram's second
 * byte, rotated by one, are the positions of the first. */
static bool is_marked(const uint64_t *marks, const char *gram)
{
    uint64_t first = marks[(unsigned char)gram[0]], second;

    if (!first)
        return false;
    second = marks[(unsigned char)gram[1]];
    return first & (second >> 1 | second << (BITS - 1));
}

/* A run whose grams are not all marked is not searched for. */
static bool holds_run(grid_slice text, const uint64_t *marks, const char *run, size_t size)
{
    size_t i;

    for (i = 0; i + GRAM <= size; i++)
        if (!is_marked(marks, run + i))
            return false;
    return memmem(text.data, text.size, run, size) != NULL;
}

/* Does `text` hold one of the runs of `other` that contain the gram at `at`? */
static bool holds_run_with(grid_slice text, const uint64_t *marks, grid_slice other, size_t at, size_t size)
{
    size_t first = at + GRAM > size ? at + GRAM - size : 0;

    for (; first <= at && first + size <= other.size; first++)
        if (holds_run(text, marks, other.data + first, size))
            return true;
    return false;
}

/* The first marked gram at `at`, or a multiple of `step` after it; behind the last gram:
 * none is marked. */
static size_t next_marked(const uint64_t *marks, grid_slice other, size_t at, size_t step)
{
    while (at + GRAM <= other.size && !is_marked(marks, other.data + at))
        at += step;
    return at;
}

/* A run of `size` bytes has size - GRAM + 1 grams, so that a search whose step is that
 * number tests one of them. */
static bool overlaps(grid_slice text, grid_slice other, size_t size)
{
    uint64_t marks[BYTES] = {0};
    size_t i, step = size - GRAM + 1;

    for (i = 0; i < text.size; i++)
        marks[(unsigned char)text.data[i]] |= (uint64_t)1 << i % BITS;
    i = next_marked(marks, other, 0, step);
    while (i + GRAM <= other.size && !holds_run_with(text, marks, other, i, size))
        i = next_marked(marks, other, i + step, step);
    return i + GRAM <= other.size;
}

bool grid_overlaps(grid_slice text, grid_slice other, size_t size)
{
    return text.size >= size && other.size >= size && overlaps(text, other, size);
}
