/* Checks header lines of requests, and parses header lines of answers.
 *
 * Owns: the fields of the last header block of one answer, with folded lines joined. All
 * lines of an answer count against the limits: those of interim blocks (100, 103), folded
 * lines, and trailers, which are dropped.
 * Does not know: the meaning of a header, except the status line and Content-Length.
 * Slices point into the memory of the headers, and are valid until the next line is
 * added or grid_headers_clear. */
#ifndef GRID_HTTP_HEADERS_H
#define GRID_HTTP_HEADERS_H

#include "base/buffer.h"
#include "base/slice.h"

#include <stdint.h>

enum { GRID_HEADERS_MAX_BYTES = 64 * 1024, GRID_HEADERS_MAX_LINES = 1000 };

typedef struct grid_headers {
    grid_buffer lines; /* each "Name: value\n", as received, blanks trimmed */
    size_t count;      /* all lines so far */
    size_t bytes;      /* size of all lines so far, plus one per line */
    int64_t length;    /* Content-Length of the block; -1: none so far */
    int status;        /* 0 until a status line was received */
    bool in_block;     /* between a status line and the end of its headers */
    bool is_whole;     /* the headers of the final answer have ended */
    bool is_open;      /* the next line may continue the last field (folding) */
} grid_headers;

void grid_headers_init(grid_headers *headers);
void grid_headers_clear(grid_headers *headers);

/* Adds one line of an answer, as libcurl passes it. A status line begins a new block and
 * drops the previous one (100, 103). Fails with kind "protocol", code
 * "headers_too_large"; or "bad_http" for a block that begins with no status line
 * or a 101, a folded line that continues no field, a Content-Length that is not a number
 * or not the only one, and the end of a block with CR or NUL. */
bool grid_headers_add(grid_headers *headers, grid_slice line, grid_error *err);

/* Iterates over the fields: *at starts at 0; false at the end. */
bool grid_headers_next(const grid_headers *headers, size_t *at, grid_slice *name, grid_slice *value);

/* Checks a line "Name: value" of a request. Fails with kind "request", code "bad_header",
 * if the name is not an RFC 9110 token, or if the value is blank or contains control
 * characters. The message contains the name, not the value. */
bool grid_header_check(grid_slice line, grid_error *err);

#endif
