/* Whatever lines an answer's headers consist of, they can be added and walked, stay
 * within their ceiling, and no line that could become two may be sent. */
#include "http/headers.h"
#include "http/retry_after.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

static bool is_inside(grid_slice part, const grid_buffer *whole)
{
    return part.data >= whole->data && part.data + part.size <= whole->data + whole->size;
}

static void walk(const grid_headers *headers)
{
    grid_slice name, value;
    size_t at = 0, before = 0;
    long seconds;

    while (grid_headers_next(headers, &at, &name, &value)) {
        must(at > before && at <= headers->lines.size);
        must(is_inside(name, &headers->lines) && is_inside(value, &headers->lines));
        must(!memchr(name.data, ':', name.size) && !memchr(name.data, '\n', name.size));
        must(!memchr(value.data, '\n', value.size));
        before = at;
    }
    must(at == headers->lines.size);
    seconds = grid_retry_after(headers, 0);
    must(seconds >= -1 && seconds <= GRID_RETRY_AFTER_MAX);
}

static void check(grid_slice line)
{
    grid_error err = {.code = ""};

    if (!grid_header_check(line, &err)) {
        must(strcmp(err.code, "bad_header") == 0);
        return;
    }
    must(line.size > 1 && memchr(line.data, ':', line.size));
    for (size_t i = 0; i < line.size; i++)
        must(line.data[i] != '\r' && line.data[i] != '\n' && line.data[i] != '\0');
}

/* Lines as libcurl hands them over, each with its end, and each as a copy, so that
 * reading past it shows. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    grid_headers headers;
    grid_error err;
    size_t at = 0;
    bool room = true;

    grid_headers_init(&headers);
    while (at < size && room) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t length = end ? (size_t)(end - data) - at + 1 : size - at;
        char *copy = malloc(length);

        must(copy != NULL);
        memcpy(copy, data + at, length);
        check((grid_slice){copy, end ? length - 1 : length});
        room = grid_headers_add(&headers, (grid_slice){copy, length}, &err);
        must(room || strcmp(err.code, "headers_too_large") == 0 || strcmp(err.code, "bad_http") == 0);
        free(copy);
        must(headers.status >= 0 && headers.status <= 999 && headers.lines.size <= headers.bytes);
        must(headers.bytes <= GRID_HEADERS_MAX_BYTES && headers.count <= GRID_HEADERS_MAX_LINES);
        walk(&headers);
        at += length;
    }
    grid_headers_clear(&headers);
    return 0;
}
