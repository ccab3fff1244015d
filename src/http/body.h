/* The body of an answer, within a limit.
 *
 * Owns: its bytes; and, until the answer ends, its bytes before libcurl decodes them, if
 * a header names a content coding.
 * Does not know: the transfer. */
#ifndef GRID_HTTP_BODY_H
#define GRID_HTTP_BODY_H

#include "base/buffer.h"
#include "base/slice.h"

#include <curl/curl.h>

#include <stdbool.h>

typedef struct grid_body {
    grid_buffer bytes;
    grid_buffer encoded;
    bool is_encoded;
    bool is_chunked; /* `encoded` has the framing of chunks, too */
} grid_body;

void grid_body_init(grid_body *body, size_t limit);

/* Reads a header line of the answer. After one that names a coding, libcurl's verbose
 * output is enabled, for grid_body_add_encoded. */
void grid_body_read_header(grid_body *body, CURL *easy, grid_slice line);

/* Appends what fits. Fails with code "body_too_large" or "out_of_memory". */
bool grid_body_add(grid_body *body, grid_slice bytes, grid_error *err);

/* Appends bytes of CURLINFO_DATA_IN. Without memory, or beyond the limit, fewer are
 * kept. */
void grid_body_add_encoded(grid_body *body, grid_slice bytes);

/* The answer has ended with `code`, or was aborted by the caller. If libcurl could not
 * decode the bytes, the encoded bytes become the body, without the framing of chunks and
 * what follows its end; otherwise they are cleared. Returns CURLE_BAD_CONTENT_ENCODING in
 * the first case, `code` in the second. */
CURLcode grid_body_end(grid_body *body, CURL *easy, CURLcode code, bool is_aborted);

void grid_body_clear(grid_body *body);

#endif
