/* The HTTP/2 stream of a transfer, as far as libcurl's verbose text reports it.
 *
 * Owns: the state of one stream. Does not know: other streams. libcurl passes the text
 * of a GOAWAY to one transfer of the connection; the engine passes it on to the
 * others. */
#ifndef GRID_HTTP_STREAM_H
#define GRID_HTTP_STREAM_H

#include "base/slice.h"

#include <curl/curl.h>

#include <stdbool.h>

typedef struct grid_stream {
    unsigned connection; /* as in grid_lease; 0: none, or libcurl has left it */
    long id;             /* 0: not known */
    long last;           /* stream of the latest GOAWAY that was read; -1: none */
    unsigned progressed; /* the entry in which libcurl reported progress last */
    bool is_refused;
    bool is_closed; /* by the server, without an error, before the request ended */
} grid_stream;

/* The request is about to go out on that connection: from now on libcurl passes its
 * text. */
void grid_stream_begin(grid_stream *stream, CURL *easy, unsigned connection);

/* A line of libcurl's text for this transfer. `detail` is its CURLOPT_ERRORBUFFER,
 * `entry` as in grid_driver_entry. True: the line is a GOAWAY with another last stream
 * than before, which is in stream->last. */
bool grid_stream_read(grid_stream *stream, CURL *easy, const char *detail, unsigned entry,
                      grid_slice text);

/* A GOAWAY on that connection named that last stream. True: it refuses this one. */
bool grid_stream_refuse(grid_stream *stream, unsigned connection, long last);

/* The transfer failed with that code, and so many bytes of a body came: is the answer
 * whole? A server may answer before it has taken the whole request (RFC 9113 8.1): it
 * closes the stream without an error, or never takes the rest. libcurl before 8.1
 * reports both as failures. The answer has to tell its length. */
bool grid_stream_has_answer(const grid_stream *stream, CURL *easy, CURLcode code, size_t body_size);

/* The status of an answer that libcurl 7.88 to 8.0 has read and dropped, because
 * RST_STREAM followed; 0: none. */
int grid_stream_status(CURL *easy);

#endif
