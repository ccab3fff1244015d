/* Header lines: those that a request may carry, and those that an answer brought.
 *
 * Owns: the fields of the last header block of one answer, folded lines joined, and the
 * rule of what a value may hold. All lines of an answer count against the limits: those
 * of interim blocks (100, 103), folded ones, and trailers, which are dropped.
 * Does not know: what a header means, except the status line. Slices point into the
 * memory of the headers, and are valid until the next line is added or
 * grid_headers_clear. */
#ifndef GRID_HTTP_HEADERS_H
#define GRID_HTTP_HEADERS_H

#include "base/buffer.h"
#include "base/slice.h"

enum { GRID_HEADERS_MAX_BYTES = 64 * 1024, GRID_HEADERS_MAX_LINES = 1000 };

typedef struct grid_headers {
    grid_buffer lines; /* each "Name: value\n", as received, blanks trimmed */
    size_t count;      /* all lines so far */
    size_t bytes;      /* all lines so far, one for each line end */
    int status;        /* 0 until a status line came */
    bool in_block;     /* between a status line and the end of its headers */
    bool is_whole;     /* the headers of the final answer have ended */
    bool is_open;      /* the next line may continue the last field (folding) */
} grid_headers;

void grid_headers_init(grid_headers *headers);
void grid_headers_clear(grid_headers *headers);

/* Adds one line of an answer, as libcurl passes it. A status line begins a new block
 * and drops the one before (100, 103). Fails with kind "protocol", code
 * "headers_too_large", or "bad_http" for a folded line that continues no field. */
bool grid_headers_add(grid_headers *headers, grid_slice line, grid_error *err);

/* Walks the lines: *at begins at 0; false at the end. */
bool grid_headers_next(const grid_headers *headers, size_t *at, grid_slice *name, grid_slice *value);

/* Checks a line, "Name: value", that is to be sent. Fails with kind "request", code
 * "bad_header": the name must be an RFC 9110 token, the value neither blank nor with
 * control characters. The message names the header, never its value. */
bool grid_header_check(grid_slice line, grid_error *err);

#endif
