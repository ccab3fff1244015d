/* A growing array of bytes with an upper limit.
 *
 * Owns: the bytes, which are wiped before they are freed or moved, since bodies, headers
 * and keys are secrets.
 * Does not know: the meaning of the bytes. grid_buffer_init and grid_buffer_clear are a
 * pair; a cleared buffer is empty and may be used again. */
#ifndef GRID_BASE_BUFFER_H
#define GRID_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct grid_buffer {
    char *data; /* NULL while empty, else followed by a NUL that size does not count */
    size_t size;
    size_t capacity;
    size_t limit; /* size never exceeds it */
    char *lent;   /* memory of the owner, see grid_buffer_lend; NULL: none */
    size_t lent_size;
} grid_buffer;

void grid_buffer_init(grid_buffer *buffer, size_t limit);

/* Lends memory to an empty buffer, which is used before any is allocated. The memory must
 * outlive the last grid_buffer_clear, which wipes it. */
void grid_buffer_lend(grid_buffer *buffer, char *memory, size_t size);

/* Reserves `size` more bytes, so that later appends of that size cannot fail. */
bool grid_buffer_reserve(grid_buffer *buffer, size_t size, grid_error *err);

/* Appends all or nothing. Fails with code "too_large" over the limit, or
 * "out_of_memory". */
static inline bool grid_buffer_append(grid_buffer *buffer, const void *bytes, size_t size, grid_error *err)
{
    if ((!buffer->data || size > buffer->capacity - buffer->size) && !grid_buffer_reserve(buffer, size, err))
        return false;
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return true;
}

static inline bool grid_buffer_append_text(grid_buffer *buffer, const char *text, grid_error *err)
{
    return grid_buffer_append(buffer, text, strlen(text), err);
}

/* Wipes and removes the bytes after the first `size`. */
void grid_buffer_truncate(grid_buffer *buffer, size_t size);

void grid_buffer_clear(grid_buffer *buffer);

#endif
