/* Reads the state of a transfer's HTTP/2 stream from libcurl's verbose text.
 *
 * Owns: the state of one stream.
 * Does not know: other streams. libcurl passes the text of a GOAWAY to one transfer of
 * the connection; the engine applies the GOAWAY to the others. */
#ifndef GRID_HTTP_STREAM_H
#define GRID_HTTP_STREAM_H

#include "base/slice.h"
#include "http/connections.h"

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_stream {
    unsigned connection; /* as in grid_lease; 0: none, or libcurl no longer uses it */
    long id;             /* 0: unknown */
    long last;           /* stream of the latest GOAWAY that was read; -1: none */
    unsigned progressed; /* the entry in which libcurl reported progress last */
    uint64_t written;    /* bytes on the connection before the request */
    unsigned begun;      /* the entry in which the request is written */
    bool is_unwritten;   /* the request may be held, see grid_stream_is_held */
    bool is_refused;
    bool is_closed;    /* by the server, without an error, or with the connection */
    bool is_shut_down; /* nghttp2 has ended the session, which is new to the engine */
} grid_stream;

/* Called before the request is sent on the connection: enables libcurl's verbose text.
 * `entry` as in grid_driver_entry. */
void grid_stream_begin(grid_stream *stream, CURL *easy, const grid_lease *lease, unsigned entry);

/* Called when libcurl reports progress for the transfer in `entry`; the first time, it
 * has just sent the request. True: the request was not sent, since the server allows no
 * stream. It is never sent if the transfer is aborted now. */
bool grid_stream_is_held(grid_stream *stream, CURL *easy, unsigned entry);

/* Reads a line of libcurl's text for this transfer. `detail` is the CURLOPT_ERRORBUFFER,
 * `entry` as in grid_driver_entry. True: the line is a GOAWAY with a new last stream,
 * which is stored in stream->last. */
bool grid_stream_read(grid_stream *stream, CURL *easy, const char *detail, unsigned entry,
                      grid_slice text);

/* Applies a GOAWAY with the last stream `last` on a connection. True: this stream is
 * refused. */
bool grid_stream_refuse(grid_stream *stream, unsigned connection, long last);

/* Is the answer of a transfer that failed with `code` complete? A server may answer
 * before it has read the whole request (RFC 9113 8.1): it closes the stream without an
 * error, or does not read the rest. libcurl before 8.1 reports both as failures. A server
 * may close the connection after an answer: libcurl 7.81, and 8.14 and later, report that
 * they could not read or write further, or that the stream was not closed. The answer is
 * complete if Content-Length is equal to the received size of the body. */
bool grid_stream_has_answer(const grid_stream *stream, CURL *easy, CURLcode code, size_t body_size);

/* The status of an answer that libcurl 7.88 to 8.0 has read and dropped, because an
 * RST_STREAM followed; 0: none. */
int grid_stream_status(CURL *easy);

#endif
