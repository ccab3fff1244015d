#include "http/body.h"

#include "base/ascii.h"

#include <string.h>

void grid_body_init(grid_body *body, size_t limit)
{
    grid_buffer_init(&body->bytes, limit);
    grid_buffer_init(&body->encoded, limit);
    body->is_encoded = body->is_chunked = false;
}

/* libcurl passes no byte of a body in a coding that it does not know, or that the body is
 * not in; its verbose output has the bytes. They may hold the only valid token. */
void grid_body_read_header(grid_body *body, CURL *easy, grid_slice line)
{
    body->is_chunked |= grid_slice_begins(line, "transfer-encoding:");
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

/* The value of a hexadecimal digit; -1: it is none. */
static int digit_of(char byte)
{
    char lower = grid_ascii_lower(byte);

    if (grid_ascii_is_digit(byte))
        return byte - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* RFC 9112 7.1. Moves `at` from the end of a chunk, or the beginning of the body, to the
 * data of the next one. Returns the size of the data, at most that of the rest; 0: the
 * end. */
static size_t begin_chunk(const grid_buffer *bytes, size_t *at)
{
    size_t size = 0, rest;

    while (*at < bytes->size && (bytes->data[*at] == '\r' || bytes->data[*at] == '\n'))
        ++*at;
    for (; *at < bytes->size && digit_of(bytes->data[*at]) >= 0; ++*at)
        if (size <= bytes->size)
            size = size * 16 + (size_t)digit_of(bytes->data[*at]);
    while (*at < bytes->size && bytes->data[*at] != '\n')
        ++*at;
    *at += *at < bytes->size;
    rest = bytes->size - *at;
    return size < rest ? size : rest;
}

/* Bytes that have no framing stay as they are. */
static void remove_framing(grid_buffer *bytes)
{
    size_t from = 0, to = 0, size;

    while ((size = begin_chunk(bytes, &from)) > 0) {
        memmove(bytes->data + to, bytes->data + from, size);
        to += size;
        from += size;
    }
    if (to > 0)
        grid_buffer_truncate(bytes, to);
}

/* libcurl passes the bytes to the verbose output as they were received. */
static void remove_what_is_not_body(grid_body *body, CURL *easy)
{
    curl_off_t length = -1;

    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (body->is_chunked)
        remove_framing(&body->encoded);
    else if (length >= 0 && (size_t)length < body->encoded.size)
        grid_buffer_truncate(&body->encoded, (size_t)length);
}

/* libcurl reports bytes behind the end of gzip data, such as a second member (RFC 1952
 * 2.2), as it reports a write callback that fails. */
CURLcode grid_body_end(grid_body *body, CURL *easy, CURLcode code, bool is_aborted)
{
    if (code == CURLE_WRITE_ERROR && body->is_encoded && !is_aborted)
        code = CURLE_BAD_CONTENT_ENCODING;
    if (code == CURLE_BAD_CONTENT_ENCODING) {
        remove_what_is_not_body(body, easy);
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
