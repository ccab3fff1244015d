#include "http/transfer.h"

#include "base/alloc.h"
#include "http/clock.h"
#include "http/engine_internal.h"
#include "http/failure.h"
#include "http/guard.h"
#include "http/options.h"
#include "http/retry_after.h"
#include "http/stream.h"
#include "http/timing.h"

#include <stddef.h>
#include <string.h>

struct grid_transfer {
    grid_engine *engine;
    CURL *easy; /* NULL once finished */
    grid_url *url;
    struct curl_slist *header_lines;
    grid_headers headers;
    grid_buffer body;
    grid_member member;
    grid_lease lease; /* of the connection that the request went out on */
    grid_stream stream;
    bool is_unfit;    /* the connection that the request was about to go out on */
    int restarts;     /* on another connection */
    bool handed_over; /* the request has begun to leave: the server may have seen all of it */
    bool refused;     /* by one of our callbacks; `failure` says why */
    bool may_share;   /* a connection, by HTTP/2 */
    bool finished;
    CURLcode code;
    grid_error failure;
    grid_timing timing;
    long retry_after;
    char detail[CURL_ERROR_SIZE];
    char headers_memory[1024]; /* what nearly every answer fits into; longer ones get memory of their own */
    char body_memory[2560];
    size_t request_size;
    char request[]; /* its body */
};

/* CURLOPT_PREREQFUNCTION: called each time before a request goes out. libcurl would send one again by itself when a reused
 * connection dies before an answer, or an HTTP/2 stream is refused; what has gone out once does not go out twice. */
static int on_request(void *context, char *to, char *from, int to_port, int from_port)
{
    grid_transfer *transfer = context;

    (void)to, (void)from;
    if (transfer->handed_over) {
        transfer->refused = true;
        grid_error_set(&transfer->failure, GRID_NETWORK, "connection_lost",
                       "the connection was lost before an answer came");
        return CURL_PREREQFUNC_ABORT;
    }
    if (!grid_engine_take_connection(transfer->engine, transfer->easy, from_port, to_port, &transfer->lease)) {
        transfer->is_unfit = true;
        return CURL_PREREQFUNC_ABORT;
    }
    transfer->handed_over = true;
    if (transfer->may_share)
        grid_stream_begin(&transfer->stream, transfer->easy, transfer->lease.opened);
    return CURL_PREREQFUNC_OK;
}

/* CURLOPT_DEBUGFUNCTION */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    grid_transfer *transfer = context;
    grid_stream *stream = &transfer->stream;
    unsigned entry = grid_engine_entry(transfer->engine);

    if (type != CURLINFO_TEXT)
        return 0;
    if (grid_stream_read(stream, easy, transfer->detail, entry, (grid_slice){data, size}))
        grid_engine_refuse_streams(transfer->engine, stream->connection, stream->last);
    if (stream->is_refused)
        grid_engine_end_refused(transfer->engine);
    return 0;
}

/* A server that has begun to answer has processed the request, whatever it promises then. */
static bool is_refused(const grid_transfer *transfer)
{
    return transfer->stream.is_refused && transfer->headers.status == 0;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    grid_transfer *transfer = context;

    (void)one;
    grid_engine_hear(transfer->engine, &transfer->lease);
    if (grid_headers_add(&transfer->headers, (grid_slice){data, size}, &transfer->failure))
        return size;
    transfer->refused = true;
    return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    grid_transfer *transfer = context;
    size_t room = transfer->body.limit - transfer->body.size;
    bool fits = size <= room;

    (void)one;
    grid_engine_hear(transfer->engine, &transfer->lease);
    if (grid_buffer_append(&transfer->body, data, fits ? size : room, &transfer->failure) && fits)
        return size;
    transfer->refused = true;
    if (!fits)
        grid_error_set(&transfer->failure, GRID_PROTOCOL, "body_too_large",
                       "the answer's body takes more than %zu bytes", transfer->body.limit);
    return 0;
}

/* With which status a proxy refused to lead to the server; 0: it did not. */
static long proxy_refusal(const grid_transfer *transfer)
{
    long status = 0;

    if (!transfer->handed_over)
        curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? status : 0;
}

/* CURLOPT_XFERINFOFUNCTION: what keeps coming in fast would never let a step end. Why a proxy refuses, nobody wants to know. */
static int on_progress(void *context, curl_off_t to_come, curl_off_t came, curl_off_t to_go, curl_off_t went)
{
    grid_transfer *transfer = context;

    (void)to_come, (void)came, (void)to_go, (void)went;
    transfer->stream.progressed = grid_engine_entry(transfer->engine);
    return proxy_refusal(transfer) != 0 || grid_engine_is_overdue(transfer->engine, transfer->member.deadline);
}

static bool add_header(grid_transfer *transfer, const char *line, grid_error *err)
{
    struct curl_slist *longer = curl_slist_append(transfer->header_lines, line);

    if (!longer)
        return grid_error_out_of_memory(err);
    transfer->header_lines = longer;
    return true;
}

/* A body of 1 MiB libcurl would announce (RFC 9110 section 10.1.1), and wait for leave to send it. */
enum { EXPECT_BYTES = 1024 * 1024 };

/* libcurl takes "Name:" as "leave it out" and "Name;" as "send it empty". It would call a POST without a body a form. */
static bool add_headers(grid_transfer *transfer, const grid_exchange *exchange, grid_error *err)
{
    size_t i;

    for (i = 0; i < exchange->header_count; i++) {
        if (!grid_header_check(exchange->headers[i], err) ||
            !add_header(transfer, exchange->headers[i].data, err))
            return false;
    }
    if (!exchange->body && !add_header(transfer, "Content-Type:", err))
        return false;
    return !exchange->body || exchange->body->size < EXPECT_BYTES || add_header(transfer, "Expect:", err);
}

#define SET(transfer, option, value) GRID_SET_OPTION((transfer)->easy, (transfer)->code, option, value)

static void set_callbacks(grid_transfer *transfer)
{
    SET(transfer, CURLOPT_PRIVATE, transfer);
    SET(transfer, CURLOPT_ERRORBUFFER, transfer->detail);
    SET(transfer, CURLOPT_PREREQFUNCTION, on_request);
    SET(transfer, CURLOPT_PREREQDATA, transfer);
    SET(transfer, CURLOPT_DEBUGFUNCTION, on_debug);
    SET(transfer, CURLOPT_DEBUGDATA, transfer);
    SET(transfer, CURLOPT_HEADERFUNCTION, on_header);
    SET(transfer, CURLOPT_HEADERDATA, transfer);
    SET(transfer, CURLOPT_WRITEFUNCTION, on_body);
    SET(transfer, CURLOPT_WRITEDATA, transfer);
}

static void watch_progress(grid_transfer *transfer)
{
    SET(transfer, CURLOPT_NOPROGRESS, 0L);
    SET(transfer, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(transfer, CURLOPT_XFERINFODATA, transfer);
}

static bool prepare(grid_transfer *transfer, const grid_exchange *exchange, grid_error *err)
{
    if (!add_headers(transfer, exchange, err))
        return false;
    transfer->url = grid_engine_url(transfer->engine, exchange->url);
    transfer->easy = curl_easy_init();
    if (!transfer->url || !transfer->easy)
        return grid_error_out_of_memory(err);
    transfer->code = grid_options_set(transfer->easy, exchange, transfer->url, transfer->request);
    set_callbacks(transfer);
    watch_progress(transfer);
    SET(transfer, CURLOPT_HTTPHEADER, transfer->header_lines);
    if (transfer->code != CURLE_OK) {
        grid_failure_describe(err, &(grid_ending){.code = transfer->code, .detail = ""});
        return false;
    }
    transfer->member.origin = grid_url_origin(transfer->url);
    transfer->may_share = grid_options_may_share(exchange);
    return grid_engine_launch(transfer->engine, transfer, transfer->easy, transfer->may_share, exchange->timeout, err);
}

/* The API key and cookies are in here. */
static void clear_headers(grid_transfer *transfer)
{
    struct curl_slist *line;

    for (line = transfer->header_lines; line; line = line->next)
        grid_wipe(line->data, strlen(line->data));
    curl_slist_free_all(transfer->header_lines);
    transfer->header_lines = NULL;
}

/* The easy handle goes, and with it every pointer that libcurl held into this transfer. It is not used again: libcurl before
 * 8.1.1 then writes to freed memory when an answer's headers begin with a blank (curl issue 11101), and a new one costs a
 * microsecond. In a child of the engine's process it is let go, see grid_engine_unref. */
static void give_back(grid_transfer *transfer)
{
    grid_engine_release_connection(transfer->engine, &transfer->lease);
    if (transfer->easy && grid_engine_is_ours(transfer->engine))
        curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    grid_url_unref(transfer->url);
    transfer->url = NULL;
    clear_headers(transfer);
    grid_wipe(transfer->request, transfer->request_size);
    transfer->request_size = 0;
}

static void destroy(grid_transfer *transfer)
{
    give_back(transfer);
    grid_headers_clear(&transfer->headers);
    grid_buffer_clear(&transfer->body);
    grid_engine_unref(transfer->engine);
    grid_free(transfer);
}

/* One block of memory for the transfer and what it will hold. */
static grid_transfer *new_transfer(grid_engine *engine, const grid_exchange *exchange)
{
    size_t request_size = exchange->body ? exchange->body->size : 0;
    grid_transfer *transfer = grid_malloc(sizeof *transfer + request_size);

    if (!transfer)
        return NULL;
    memset(transfer, 0, offsetof(grid_transfer, headers_memory));
    transfer->engine = grid_engine_ref(engine);
    transfer->request_size = request_size;
    if (request_size)
        memcpy(transfer->request, exchange->body->data, request_size);
    grid_headers_init(&transfer->headers);
    grid_buffer_lend(&transfer->headers.lines, transfer->headers_memory, sizeof transfer->headers_memory);
    grid_buffer_init(&transfer->body, exchange->max_response_bytes);
    grid_buffer_lend(&transfer->body, transfer->body_memory, sizeof transfer->body_memory);
    return transfer;
}

grid_transfer *grid_transfer_start(grid_engine *engine, const grid_exchange *exchange,
                                   grid_error *err)
{
    grid_transfer *transfer;
    grid_guard guard;
    bool started;

    if (!grid_engine_is_ours(engine)) {
        grid_error_set(err, GRID_REQUEST, "forked", "the engine belongs to the process that forked this one");
        return NULL;
    }
    transfer = new_transfer(engine, exchange);
    if (!transfer) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    grid_guard_enter(&guard);
    started = prepare(transfer, exchange, err);
    if (!started)
        destroy(transfer);
    grid_guard_leave(&guard);
    return started ? transfer : NULL;
}

void grid_transfer_free(grid_transfer *transfer)
{
    grid_guard guard;

    grid_guard_enter(&guard);
    grid_engine_forget(transfer->engine, transfer);
    if (!transfer->finished)
        grid_engine_cancel(transfer->engine, transfer, transfer->easy);
    destroy(transfer);
    grid_guard_leave(&guard);
}

static void describe_failure(grid_transfer *transfer)
{
    grid_ending ending = {
        .code = transfer->code,
        .detail = transfer->detail,
        .seconds = transfer->timing.total,
        .proxy_status = proxy_refusal(transfer),
        .status = transfer->headers.status,
        .handed_over = transfer->handed_over,
        .is_refused = is_refused(transfer),
    };

    grid_failure_describe(&transfer->failure, &ending);
}

/* Each restart closes an idle connection, so there is an end to them. */
enum { MAX_RESTARTS = 100 };

bool grid_transfer_takes_another_connection(grid_transfer *transfer)
{
    if (!transfer->is_unfit)
        return false;
    transfer->is_unfit = false;
    transfer->detail[0] = '\0';
    if (++transfer->restarts <= MAX_RESTARTS)
        return true;
    transfer->refused = true;
    return grid_error_set(&transfer->failure, GRID_NETWORK, "connection_lost",
                          "each of %d idle connections was closed by the server or held unasked input", MAX_RESTARTS);
}

CURL *grid_transfer_unsent(const grid_transfer *transfer)
{
    return transfer->handed_over ? NULL : transfer->easy;
}

static void tell_of_connection(const grid_transfer *transfer, CURLcode code)
{
    if (transfer->timing.http_version)
        grid_engine_learn(transfer->engine, transfer, transfer->timing.http_version >= 20);
    if (code == CURLE_OPERATION_TIMEDOUT && transfer->lease.opened)
        grid_engine_end_silent(transfer->engine, &transfer->lease, transfer->member.started);
}

void grid_transfer_on_finish(grid_transfer *transfer, CURLcode code)
{
    transfer->timing = grid_timing_read(transfer->easy);
    transfer->retry_after = grid_retry_after(&transfer->headers, time(NULL));
    if (transfer->headers.status == 0 && code != CURLE_OK)
        transfer->headers.status = grid_stream_status(transfer->easy);
    if (code == CURLE_ABORTED_BY_CALLBACK && !transfer->refused) /* by on_progress */
        code = CURLE_OPERATION_TIMEDOUT;
    if (code == CURLE_OPERATION_TIMEDOUT) /* libcurl does not count what was spent waiting for another's connection */
        transfer->timing.total = grid_clock_now() - transfer->member.started;
    tell_of_connection(transfer, code);
    if (code != CURLE_OK && transfer->headers.is_whole &&
        grid_stream_has_answer(&transfer->stream, transfer->easy, code, transfer->body.size))
        code = CURLE_OK;
    transfer->finished = true;
    transfer->code = code;
    if (code == CURLE_OK && transfer->headers.status < 200) /* libcurl is content with an unasked-for 101 */
        transfer->code = CURLE_WEIRD_SERVER_REPLY;
    else if (code == CURLE_OK && !transfer->headers.is_whole) /* and with headers that end amid a line */
        transfer->code = CURLE_PARTIAL_FILE;
    if (transfer->code != CURLE_OK && (!transfer->refused || is_refused(transfer)))
        describe_failure(transfer);
    grid_engine_withdraw(transfer->engine, transfer, transfer->easy);
    give_back(transfer);
}

grid_member *grid_transfer_member(grid_transfer *transfer)
{
    return &transfer->member;
}

grid_stream *grid_transfer_stream(grid_transfer *transfer)
{
    return &transfer->stream;
}

bool grid_transfer_is_finished(const grid_transfer *transfer)
{
    return transfer->finished;
}

bool grid_transfer_succeeded(const grid_transfer *transfer, grid_error *err)
{
    if (transfer->code == CURLE_OK)
        return true;
    *err = transfer->failure;
    return false;
}

grid_sent grid_transfer_sent(const grid_transfer *transfer)
{
    if (transfer->headers.status >= 200)
        return GRID_SENT_YES;
    return transfer->handed_over && !is_refused(transfer) ? GRID_SENT_UNKNOWN : GRID_SENT_NO;
}

const grid_headers *grid_transfer_headers(const grid_transfer *transfer)
{
    return &transfer->headers;
}

grid_slice grid_transfer_body(const grid_transfer *transfer)
{
    return (grid_slice){transfer->body.data ? transfer->body.data : "", transfer->body.size};
}

grid_timing grid_transfer_timing(const grid_transfer *transfer)
{
    return transfer->timing;
}

long grid_transfer_retry_after(const grid_transfer *transfer)
{
    return transfer->retry_after;
}
