/* A growing run of bytes with a ceiling.
 *
 * Owns: its bytes. They are wiped before they are freed or moved: what travels here (bodies, headers,
 * keys) is secret more often than not, and one kind of buffer is simpler than two.
 * Refuses to know: what the bytes mean.
 * grid_buffer_init and grid_buffer_clear pair up; clear leaves an empty buffer that may be used again. */
#ifndef GRID_BASE_BUFFER_H
#define GRID_BASE_BUFFER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct grid_buffer {
    char *data; /* NULL while empty; otherwise followed by a NUL that size does not count */
    size_t size;
    size_t capacity;
    size_t limit; /* size never exceeds it */
} grid_buffer;

void grid_buffer_init(grid_buffer *buffer, size_t limit);

/* Appends all or nothing. Fails with code "too_large" over the limit, or "out_of_memory". */
bool grid_buffer_append(grid_buffer *buffer, const void *bytes, size_t size, grid_error *err);
bool grid_buffer_append_text(grid_buffer *buffer, const char *text, grid_error *err);

/* Room for `size` more bytes, so that the appends which follow cannot fail. */
bool grid_buffer_reserve(grid_buffer *buffer, size_t size, grid_error *err);

void grid_buffer_clear(grid_buffer *buffer);

#endif
