#include "http/stream.h"

#include "http/libcurl.h"
#include "http/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A server that refuses a stream guarantees that it did not process the request: by
 * RST_STREAM with REFUSED_STREAM (RFC 9113 8.7), or by GOAWAY with a smaller last stream
 * (RFC 9113 6.8). No result code of libcurl reports this; its text does, depending on the
 * version:
 *
 *   GOAWAY                            7.88 and later report the last stream
 *   REFUSED_STREAM, new connection    every version reports it
 *   REFUSED_STREAM, reused connection 8.19 and later report it; 8.0 to 8.6 do not; 7.81
 *                                     to 7.88 and 8.7 to 8.18 report it as the only error
 *                                     without a text
 *
 * Without such a text a stream is not reported as refused: the outcome is unknown. */

/* CURLOPT_VERBOSE can be set while a transfer runs. Before the request it would cost time
 * for text that is not used: certificates, and each TLS record of a connection that is
 * opened with the option. */
void grid_stream_begin(grid_stream *stream, CURL *easy, const grid_lease *lease, unsigned entry)
{
    stream->connection = lease->opened;
    stream->last = -1;
    stream->begun = entry;
    stream->is_unwritten = !lease->is_first && grid_tls_count_written(easy, &stream->written);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);
}

/* Of an HTTP/2 request: the header of a frame (RFC 9113 4.1), and one byte at least (RFC
 * 7541 6) for each of four pseudo-header fields (RFC 9113 8.3.1) and for User-Agent. The
 * RST_STREAM of the previous request, which libcurl 7.88 writes here, takes less. */
enum { LEAST_REQUEST_BYTES = 9 + 5 };

/* If an HTTP/2 server allows no stream (MAX_CONCURRENT_STREAMS of 0, RFC 9113 5.1.2),
 * libcurl before 8.22 uses the connection nevertheless, and nghttp2 holds the request
 * back. libcurl writes a request when it has chosen the connection: if the connection has
 * carried fewer bytes since, the request was not sent. When the transfer is aborted,
 * libcurl resets the stream, and nghttp2 removes a request that it holds. */
bool grid_stream_is_held(grid_stream *stream, CURL *easy, unsigned entry)
{
    bool is_held = stream->is_unwritten && stream->begun == entry &&
                   grid_tls_wrote_less(easy, stream->written, LEAST_REQUEST_BYTES);

    stream->is_unwritten = false;
    return is_held;
}

static bool begins(const char *line, const char *beginning)
{
    return strncmp(line, beginning, strlen(beginning)) == 0;
}

static long number_after(const char *line, const char *beginning)
{
    return begins(line, beginning) ? strtol(line + strlen(beginning), NULL, 10) : 0;
}

/* "Using Stream ID: 3 (…)", which 7.81 to 7.83 write in hexadecimal digits, but these
 * report no last stream to compare the id with; "[HTTP/2] [3] OPENED stream for …" from
 * 8.3 on. */
static long id_in(const char *line)
{
    long id = number_after(line, "Using Stream ID: ");

    return id ? id : number_after(line, "[HTTP/2] [");
}

/* "recveived GOAWAY, error=0, last_stream=3", spelt "received" from 8.1 on. */
static bool read_goaway(grid_stream *stream, const char *line)
{
    const char *last = begins(line, "rec") && strstr(line, "GOAWAY, error=")
                           ? strstr(line, "last_stream=")
                           : NULL;
    long before = stream->last;

    if (!last)
        return false;
    stream->last = strtol(last + strlen("last_stream="), NULL, 10);
    return stream->last != before;
}

/* Called when libcurl is about to send the request again. If the connection was lost,
 * libcurl has written an error text before; if the connection ended without an error,
 * libcurl has reported progress in the same call. Otherwise the stream was refused. If
 * the request was not sent, nothing is proved. */
static bool is_refused_without_text(const grid_stream *stream, CURL *easy, const char *detail,
                                  unsigned entry)
{
    long sent = 0;

    if (!grid_libcurl_omits_refusal() || detail[0] || !stream->id)
        return false;
    if (grid_libcurl_omits_connection_loss() && stream->progressed == entry)
        return false;
    curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &sent);
    return sent > 0;
}

/* "stream 3 closed" up to 8.0, "HTTP/2 stream 3 was reset" in 8.0, of a reset with
 * NO_ERROR; "HTTP/2 stream 3 was not closed cleanly before end of the underlying stream",
 * of the end of the connection. */
static bool is_close(const char *line)
{
    bool is_long = begins(line, "HTTP/2 stream ");

    return (begins(line, "stream ") && strstr(line, " closed")) ||
           (is_long && (strstr(line, " was reset") || strstr(line, " before end of the underlying stream")));
}

/* Skips most lines early, which show a field of the request. */
static bool is_relevant(const grid_stream *stream, grid_slice text)
{
    return text.size > 0 && (text.data[0] == '[' ? !stream->id : strchr("UrRHCsn", text.data[0]) != NULL);
}

bool grid_stream_read(grid_stream *stream, CURL *easy, const char *detail, unsigned entry,
                      grid_slice text)
{
    char line[128];

    if (!stream->connection || !is_relevant(stream, text))
        return false;
    snprintf(line, sizeof line, "%.*s", (int)text.size, text.data);
    if (!stream->id)
        stream->id = id_in(line);
    if (begins(line, "REFUSED_STREAM, retrying") ||
        (begins(line, "HTTP/2 stream ") && strstr(line, " refused by server, try again")))
        stream->is_refused = true;
    if (is_close(line))
        stream->is_closed = true;
    if (begins(line, "nghttp2 shuts down connection"))
        stream->is_shut_down = true;
    if (begins(line, "Connection died, retrying")) {
        stream->is_refused |= is_refused_without_text(stream, easy, detail, entry);
        stream->connection = 0;
    }
    return read_goaway(stream, line);
}

bool grid_stream_refuse(grid_stream *stream, unsigned connection, long last)
{
    if (!connection || stream->connection != connection || stream->id <= last)
        return false;
    stream->is_refused = true;
    return true;
}

bool grid_stream_has_answer(const grid_stream *stream, CURL *easy, CURLcode code, size_t body_size)
{
    bool is_lost = code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR || code == CURLE_PARTIAL_FILE;
    curl_off_t length = -1;

    if (code != CURLE_OPERATION_TIMEDOUT && !is_lost && !stream->is_closed)
        return false;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    return length >= 0 && (size_t)length == body_size;
}

#if LIBCURL_VERSION_NUM >= 0x075400
int grid_stream_status(CURL *easy)
{
    struct curl_header *header;
    int status = 0;
    size_t i;

    for (i = 0; curl_easy_header(easy, ":status", i, CURLH_PSEUDO, 0, &header) == CURLHE_OK; i++)
        status = (int)strtol(header->value, NULL, 10);
    return status;
}
#else
int grid_stream_status(CURL *easy)
{
    (void)easy;
    return 0;
}
#endif
