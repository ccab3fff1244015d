#include "base/buffer.h"

#include "base/alloc.h"

enum { FIRST_CAPACITY = 2048 }; /* sufficient for a session, or the headers of an answer */

void grid_buffer_init(grid_buffer *buffer, size_t limit)
{
    *buffer = (grid_buffer){.limit = limit};
}

void grid_buffer_lend(grid_buffer *buffer, char *memory, size_t size)
{
    buffer->lent = memory;
    buffer->lent_size = size;
}

static void release_memory(grid_buffer *buffer)
{
    if (!buffer->data)
        return;
    grid_wipe(buffer->data, buffer->size);
    if (buffer->data != buffer->lent)
        grid_free(buffer->data);
}

/* Copies, wipes and frees, since realloc would leave the old bytes in freed memory. */
static bool grow(grid_buffer *buffer, size_t capacity, grid_error *err)
{
    char *bigger = grid_malloc(capacity + 1);

    if (!bigger) {
        grid_error_out_of_memory(err);
        return false;
    }
    if (buffer->data)
        memcpy(bigger, buffer->data, buffer->size);
    release_memory(buffer);
    buffer->data = bigger;
    buffer->data[buffer->size] = '\0';
    buffer->capacity = capacity;
    return true;
}

static bool take_lent(grid_buffer *buffer, size_t needed)
{
    if (buffer->data || buffer->lent_size <= needed)
        return false;
    buffer->data = buffer->lent;
    buffer->data[0] = '\0';
    buffer->capacity = buffer->lent_size - 1 < buffer->limit ? buffer->lent_size - 1 : buffer->limit;
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
    if ((buffer->data && needed <= buffer->capacity) || take_lent(buffer, needed))
        return true;
    while (capacity < needed)
        capacity = capacity > buffer->limit / 2 ? buffer->limit : capacity * 2;
    return grow(buffer, capacity < buffer->limit ? capacity : buffer->limit, err);
}

void grid_buffer_truncate(grid_buffer *buffer, size_t size)
{
    if (!buffer->data)
        return;
    grid_wipe(buffer->data + size, buffer->size - size);
    buffer->size = size;
}

void grid_buffer_clear(grid_buffer *buffer)
{
    release_memory(buffer);
    buffer->data = NULL;
    buffer->size = buffer->capacity = 0;
}
