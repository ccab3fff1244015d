#include "http/header_lines.h"

#include "base/alloc.h"
#include "http/headers.h"

#include <string.h>

/* For a body of 1 MiB or more libcurl would send "Expect: 100-continue" (RFC 9110 section
 * 10.1.1), and wait for the server's 100 (Continue). */
enum { EXPECT_BYTES = 1024 * 1024 };

static bool append(grid_header_lines *lines, const char *line, grid_error *err)
{
    struct curl_slist *longer = curl_slist_append(lines->list, line);

    if (!longer)
        return grid_error_out_of_memory(err);
    lines->list = longer;
    return true;
}

static size_t size_of(const grid_exchange *exchange)
{
    size_t bytes = strlen(exchange->url);

    for (size_t i = 0; i < exchange->header_count; i++)
        bytes += exchange->headers[i].size;
    return bytes;
}

/* CURLOPT_HTTPHEADER: "Name:" removes a header. Without "Content-Type:", libcurl sends
 * application/x-www-form-urlencoded with each POST. */
bool grid_header_lines_set(grid_header_lines *lines, const grid_exchange *exchange, grid_error *err)
{
    bool has_type = false;

    lines->size = size_of(exchange);
    if (lines->size > GRID_REQUEST_MAX_BYTES)
        return grid_error_set(err, GRID_REQUEST, "headers_too_large",
                              "the request's URL and headers take more than %d bytes", GRID_REQUEST_MAX_BYTES);
    for (size_t i = 0; i < exchange->header_count; i++) {
        has_type = has_type || grid_slice_begins(exchange->headers[i], "content-type:");
        if (!grid_header_check(exchange->headers[i], err) || !append(lines, exchange->headers[i].data, err))
            return false;
    }
    if (!has_type && !append(lines, "Content-Type:", err))
        return false;
    return !exchange->body || exchange->body->size < EXPECT_BYTES || append(lines, "Expect:", err);
}

void grid_header_lines_clear(grid_header_lines *lines)
{
    for (struct curl_slist *line = lines->list; line; line = line->next)
        grid_wipe(line->data, strlen(line->data));
    curl_slist_free_all(lines->list);
    *lines = (grid_header_lines){0};
}
