#include "http/headers.h"

#include "base/ascii.h"

#include <string.h>

static void forget(grid_headers *headers)
{
    headers->count = 0;
    headers->bytes = 0;
    headers->length = -1;
    headers->status = 0;
    headers->in_block = false;
    headers->is_whole = false;
    headers->is_open = false;
}

void grid_headers_init(grid_headers *headers)
{
    grid_buffer_init(&headers->lines, GRID_HEADERS_MAX_BYTES);
    forget(headers);
}

void grid_headers_clear(grid_headers *headers)
{
    grid_buffer_clear(&headers->lines);
    forget(headers);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static grid_slice trim(grid_slice text)
{
    while (text.size && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* "HTTP/1.1 200 OK", "HTTP/2 200": RFC 9112 section 4; 0: not a status line. libcurl 8
 * takes the first three of more digits: "5030" would be a 503. */
static int status_of(grid_slice line)
{
    const char *digits = memchr(line.data, ' ', line.size), *end = line.data + line.size;
    int status = 0, i;

    if (line.size < 5 || memcmp(line.data, "HTTP/", 5) != 0)
        return 0;
    if (!digits || end - digits < 4 || (end - digits > 4 && grid_ascii_is_digit(digits[4])))
        return 0;
    for (i = 1; i <= 3; i++) {
        if (!grid_ascii_is_digit(digits[i]))
            return 0;
        status = status * 10 + (digits[i] - '0');
    }
    return status;
}

static bool count_line(grid_headers *headers, grid_slice line, grid_error *err)
{
    if (line.size + 1 > GRID_HEADERS_MAX_BYTES - headers->bytes)
        return grid_error_set(err, GRID_PROTOCOL, "headers_too_large",
                              "the answer's headers take more than %d bytes", GRID_HEADERS_MAX_BYTES);
    if (headers->count == GRID_HEADERS_MAX_LINES)
        return grid_error_set(err, GRID_PROTOCOL, "headers_too_large",
                              "the answer's headers have more than %d lines", GRID_HEADERS_MAX_LINES);
    headers->bytes += line.size + 1;
    headers->count++;
    return true;
}

/* The first status line is not counted, since the limits are for fields. No request asks
 * for a 101 (RFC 9110 section 15.2.2), which libcurl takes as the beginning of an endless
 * body. */
static bool begin_block(grid_headers *headers, grid_slice line, grid_error *err)
{
    int status = status_of(line);

    if (!status)
        return grid_error_set(err, GRID_PROTOCOL, "bad_http", "the answer has no valid status line");
    if (status == 101)
        return grid_error_set(err, GRID_PROTOCOL, "bad_http", "the server changed the protocol without a request for it");
    if (headers->status && !count_line(headers, line, err))
        return false;
    grid_buffer_clear(&headers->lines);
    headers->length = -1;
    headers->status = status;
    headers->in_block = true;
    headers->is_open = false;
    return true;
}

/* libcurl before 8.18 passes each line of a folded value separately. A fold is replaced
 * by a blank (RFC 9112 section 5.2). A fold after the status line continues no field
 * (section 2.2). */
static bool unfold(grid_headers *headers, grid_slice rest, grid_error *err)
{
    grid_buffer *lines = &headers->lines;

    if (!headers->is_open)
        return grid_error_set(err, GRID_PROTOCOL, "bad_http", "a folded line in the answer's headers continues no field");
    if (!grid_buffer_reserve(lines, rest.size + 1, err))
        return false;
    lines->data[lines->size - 1] = ' '; /* replaces the end of the previous line */
    return grid_buffer_append(lines, rest.data, rest.size, err) && grid_buffer_append(lines, "\n", 1, err);
}

/* -1: not a number. Numbers beyond INT64_MAX are equal. */
static int64_t length_of(grid_slice value)
{
    int64_t length = 0;
    size_t i;

    for (i = 0; i < value.size; i++) {
        if (!grid_ascii_is_digit(value.data[i]))
            return -1;
        length = length > (INT64_MAX - 9) / 10 ? INT64_MAX : length * 10 + (value.data[i] - '0');
    }
    return value.size ? length : -1;
}

/* RFC 9112 section 6.3: an answer is invalid if two values differ, or if one is not a
 * number. libcurl before 8.17 believes the digits that the first one begins with (curl
 * issue 18921). */
static bool check_length(grid_headers *headers, grid_slice name, grid_slice value, grid_error *err)
{
    int64_t length;

    if (!grid_slice_is(name, "content-length"))
        return true;
    length = length_of(trim(value));
    if (length < 0 || (headers->length >= 0 && headers->length != length))
        return grid_error_set(err, GRID_PROTOCOL, "bad_http", "the answer's Content-Length is not one number");
    headers->length = length;
    return true;
}

/* New versions of libcurl reject a line that is not a field, old ones pass it. */
static bool add_field(grid_headers *headers, grid_slice line, grid_error *err)
{
    const char *colon = memchr(line.data, ':', line.size);
    size_t name = colon ? (size_t)(colon - line.data) : 0;

    headers->is_open = colon && !memchr(line.data, '\n', line.size);
    if (!headers->is_open)
        return true;
    return check_length(headers, (grid_slice){line.data, name}, (grid_slice){colon + 1, line.size - name - 1}, err) &&
           grid_buffer_reserve(&headers->lines, line.size + 1, err) &&
           grid_buffer_append(&headers->lines, line.data, line.size, err) &&
           grid_buffer_append(&headers->lines, "\n", 1, err);
}

static bool has(const grid_buffer *lines, char byte)
{
    return lines->size && memchr(lines->data, byte, lines->size);
}

/* RFC 9110 section 5.5: a value with CR or NUL is invalid and dangerous. libcurl 7.81
 * passes both, 8.14 passes CR. */
static bool end_block(grid_headers *headers, grid_error *err)
{
    if (has(&headers->lines, '\r') || has(&headers->lines, '\0'))
        return grid_error_set(err, GRID_PROTOCOL, "bad_http", "the answer's headers hold CR or NUL");
    headers->in_block = false;
    headers->is_whole = headers->status >= 200;
    return true;
}

bool grid_headers_add(grid_headers *headers, grid_slice line, grid_error *err)
{
    bool is_end = !line.size || line.data[0] == '\r' || line.data[0] == '\n';
    bool is_fold = !is_end && is_blank(line.data[0]);

    if (is_end)
        return end_block(headers, err);
    line = trim(line);
    if (!headers->in_block && !headers->is_whole)
        return begin_block(headers, line, err);
    if (!count_line(headers, line, err))
        return false;
    if (headers->is_whole) /* a trailer: RFC 9110 section 6.5.1 */
        return true;
    return is_fold ? unfold(headers, line, err) : add_field(headers, line, err);
}

bool grid_headers_next(const grid_headers *headers, size_t *at, grid_slice *name, grid_slice *value)
{
    const char *line, *end, *colon;

    if (*at >= headers->lines.size)
        return false;
    line = headers->lines.data + *at;
    end = memchr(line, '\n', headers->lines.size - *at);
    colon = memchr(line, ':', (size_t)(end - line));
    *name = trim((grid_slice){line, (size_t)(colon - line)});
    *value = trim((grid_slice){colon + 1, (size_t)(end - colon) - 1});
    *at += (size_t)(end - line) + 1;
    return true;
}

/* RFC 9110 section 5.6.2 */
static bool is_token(grid_slice text)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t i;

    for (i = 0; i < text.size; i++) {
        char byte = text.data[i];
        bool alnum = grid_ascii_is_digit(byte) || grid_ascii_is_letter(byte);

        if (!alnum && (!byte || !strchr(others, byte)))
            return false;
    }
    return text.size > 0;
}

bool grid_header_check(grid_slice line, grid_error *err)
{
    const char *colon = memchr(line.data, ':', line.size);
    size_t i, name = colon ? (size_t)(colon - line.data) : 0;

    if (!is_token((grid_slice){line.data, name}))
        return grid_error_set(err, GRID_REQUEST, "bad_header", "a header's name is not a token");
    /* libcurl does not send a header with an empty value. */
    if (!trim((grid_slice){line.data + name + 1, line.size - name - 1}).size)
        return grid_error_set(err, GRID_REQUEST, "bad_header", "the value of header %.*s is empty",
                              (int)(name < 64 ? name : 64), line.data);
    for (i = name + 1; i < line.size; i++) {
        unsigned char byte = (unsigned char)line.data[i];
        if (byte < 0x20 || byte == 0x7f)
            return grid_error_set(err, GRID_REQUEST, "bad_header",
                                  "the value of header %.*s holds a control character",
                                  (int)(name < 64 ? name : 64), line.data);
    }
    return true;
}
