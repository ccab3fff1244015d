#include "base/buffer.h"

#include "base/alloc.h"

#include <string.h>

enum { FIRST_CAPACITY = 2048 }; /* a session as text fits, and so do the headers of an answer */

void grid_buffer_init(grid_buffer *buffer, size_t limit)
{
    *buffer = (grid_buffer){.limit = limit};
}

/* realloc would leave the old bytes behind in freed memory, so growth copies, wipes and frees. */
static bool grow(grid_buffer *buffer, size_t capacity, grid_error *err)
{
    char *bigger = grid_malloc(capacity + 1);

    if (!bigger) {
        grid_error_out_of_memory(err);
        return false;
    }
    if (buffer->data) {
        memcpy(bigger, buffer->data, buffer->size);
        grid_wipe(buffer->data, buffer->size);
        grid_free(buffer->data);
    }
    buffer->data = bigger;
    buffer->data[buffer->size] = '\0';
    buffer->capacity = capacity;
    return true;
}

bool grid_buffer_reserve(grid_buffer *buffer, size_t size, grid_error *err)
{
    size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;
    size_t needed;

    if (size > buffer->limit - buffer->size) {
        grid_error_set(err, GRID_PROTOCOL, "too_large", "more than %zu bytes", buffer->limit);
        return false;
    }
    needed = buffer->size + size;
    if (buffer->data && needed <= buffer->capacity)
        return true;
    while (capacity < needed)
        capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
    return grow(buffer, capacity < buffer->limit ? capacity : buffer->limit, err);
}

bool grid_buffer_append(grid_buffer *buffer, const void *bytes, size_t size, grid_error *err)
{
    if (!buffer->data || size > buffer->capacity - buffer->size) {
        if (!grid_buffer_reserve(buffer, size, err))
            return false;
    }
    if (size)
        memcpy(buffer->data + buffer->size, bytes, size);
    buffer->size += size;
    buffer->data[buffer->size] = '\0';
    return true;
}

bool grid_buffer_append_text(grid_buffer *buffer, const char *text, grid_error *err)
{
    return grid_buffer_append(buffer, text, strlen(text), err);
}

void grid_buffer_clear(grid_buffer *buffer)
{
    if (buffer->data) {
        grid_wipe(buffer->data, buffer->size);
        grid_free(buffer->data);
    }
    grid_buffer_init(buffer, buffer->limit);
}
