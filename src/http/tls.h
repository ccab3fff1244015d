/* Accesses the OpenSSL session of a libcurl connection, and reads authorities as OpenSSL
 * does. Only this module includes OpenSSL outside of src/crypto.
 * Owns: nothing. Does not know: transfers. */
#ifndef GRID_HTTP_TLS_H
#define GRID_HTTP_TLS_H

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

/* True: OpenSSL has read bytes from the socket of this transfer that libcurl has not
 * read. False without TLS, and if libcurl uses another TLS library. */
bool grid_tls_has_input(CURL *easy);

/* False also if libcurl uses another TLS library, or if it has ended the transfer. */
bool grid_tls_has_session(CURL *easy);

/* True: the TLS session of this transfer was not negotiated for HTTP/2 (RFC 7301). False
 * without TLS, and if libcurl uses another TLS library. */
bool grid_tls_lacks_http2(CURL *easy);

/* Reads the number of bytes that OpenSSL has written to the connection of this transfer
 * so far. False without TLS, and if libcurl uses another TLS library. */
bool grid_tls_count_written(CURL *easy, uint64_t *bytes);

/* The same for the bytes that OpenSSL has read. From the first call on, OpenSSL reads no
 * further than the current record. */
bool grid_tls_count_read(CURL *easy, uint64_t *bytes);

/* True: since the number of written bytes was read, OpenSSL has written fewer bytes than
 * a record with `content` bytes takes. */
bool grid_tls_wrote_less(CURL *easy, uint64_t before, size_t content);

/* The first reads of a connection in one entry into libcurl, which are granted however
 * late: a process that was not scheduled for the time of the limit would else take an
 * answer that has arrived for a missing one. One TLS record takes two reads. */
enum { GRID_GRANTED_READS = 16 };

typedef struct grid_read_limit {
    unsigned entry;         /* entries into libcurl so far */
    double until;           /* on grid_clock_now; 0: no limit */
    int granted;            /* reads of each connection that have no limit */
    const void *connection; /* the one that has read last */
    int count;              /* of its reads */
    bool is_blocked;        /* some bytes could not be written to their socket */
    int rest;               /* a socket, see grid_read_limit_begin; -1: none */
} grid_read_limit;

/* Limits the reads of the entry into libcurl that follows, and ends that limit. Then
 * `rest` is a socket whose bytes OpenSSL has read, as a part of a record of an HTTPS
 * proxy, and libcurl has not: before 7.87 libcurl reads one record of an HTTP/2 server,
 * and if that has no part of an answer, waits for the socket. */
void grid_read_limit_begin(grid_read_limit *limit, double seconds);
void grid_read_limit_end(grid_read_limit *limit);

/* Applies a limit to the connection of this transfer: reads beyond the limit find no
 * input. Without a limit, libcurl reads as long as input arrives that is not part of an
 * answer, such as HTTP/2 control frames: 7.88 to 8.0 for seconds. `limit` must outlive
 * the connection. No effect without TLS, and if libcurl uses another TLS library. */
void grid_tls_limit_reads(CURL *easy, grid_read_limit *limit);

/* True: bytes of this connection, which has a limit, were read in the current entry into
 * libcurl. */
bool grid_tls_has_read(CURL *easy);

/* Does the file hold authorities that OpenSSL can read? */
bool grid_tls_reads_authorities(const char *file);

/* Empties this thread's queue of OpenSSL errors. */
void grid_tls_clear_errors(void);

#endif
