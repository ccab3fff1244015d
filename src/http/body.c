#include "http/body.h"

#include <string.h>

void grid_body_init(grid_body *body, size_t limit)
{
    grid_buffer_init(&body->bytes, limit);
    grid_buffer_init(&body->encoded, limit);
    body->is_encoded = false;
}

/* libcurl passes no byte of a body in a coding that it does not know, or that the body is
 * not in; its verbose output has the bytes. They may hold the only valid token. */
void grid_body_read_header(grid_body *body, CURL *easy, grid_slice line)
{
    if (body->is_encoded || !grid_slice_begins(line, "content-encoding:"))
        return;
    body->is_encoded = true;
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}

static bool append_what_fits(grid_buffer *to, grid_slice bytes, grid_error *err)
{
    size_t room = to->limit - to->size;
    bool fits = bytes.size <= room;

    if (grid_buffer_append(to, bytes.data, fits ? bytes.size : room, err) && fits)
        return true;
    if (!fits)
        grid_error_set(err, GRID_PROTOCOL, "body_too_large", "the answer's body takes more than %zu bytes", to->limit);
    return false;
}

bool grid_body_add(grid_body *body, grid_slice bytes, grid_error *err)
{
    return append_what_fits(&body->bytes, bytes, err);
}

void grid_body_add_encoded(grid_body *body, grid_slice bytes)
{
    grid_error unused;

    if (body->is_encoded)
        append_what_fits(&body->encoded, bytes, &unused);
}

/* libcurl reports bytes behind the end of gzip data, such as a second member (RFC 1952
 * 2.2), as it reports a write callback that fails. */
CURLcode grid_body_end(grid_body *body, CURLcode code, bool is_aborted)
{
    if (code == CURLE_WRITE_ERROR && body->is_encoded && !is_aborted)
        code = CURLE_BAD_CONTENT_ENCODING;
    if (code == CURLE_BAD_CONTENT_ENCODING) {
        grid_buffer_clear(&body->bytes);
        body->bytes = body->encoded;
        grid_buffer_init(&body->encoded, 0);
    }
    grid_buffer_clear(&body->encoded);
    return code;
}

void grid_body_clear(grid_body *body)
{
    grid_buffer_clear(&body->bytes);
    grid_buffer_clear(&body->encoded);
}
