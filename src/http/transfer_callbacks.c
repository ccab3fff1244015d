#include "base/machine.h"
#include "http/engine_internal.h"
#include "http/options.h"
#include "http/transfer_internal.h"

bool grid_transfer_refuse(grid_transfer *transfer, grid_kind kind, const char *code, const char *message)
{
    transfer->has_failure = true;
    return grid_error_set(&transfer->failure, kind, code, "%s", message);
}

/* not_after is checked immediately before the request, since name resolution, connection
 * and TLS precede it, and the process may have been stopped meanwhile. */
static bool may_send(grid_transfer *transfer, const grid_ends *ends)
{
    grid_task *task = &transfer->task;

    if (task->is_sent)
        return grid_transfer_refuse(transfer, GRID_NETWORK, "connection_lost", "the connection was lost before an answer came");
    if (transfer->not_after > 0 && grid_machine_boottime() >= transfer->not_after)
        return grid_transfer_refuse(transfer, GRID_REQUEST, "too_late",
                                    "the request was not sent: the timeout had passed before the connection was ready");
    if (grid_engine_take_connection(transfer->engine, task, ends))
        return true;
    return !task->is_unfit && grid_transfer_refuse(transfer, GRID_PROTOCOL, "bad_http", "the peer sent bytes before the request");
}

/* CURLOPT_PREREQFUNCTION: called each time before a request is sent. The second call is
 * aborted: libcurl sends a request again by itself if a reused connection is lost before
 * an answer, or if an HTTP/2 stream is refused. */
static int on_request(void *context, char *to, char *from, int to_port, int from_port)
{
    const grid_ends ends = {from, to, from_port, to_port};

    return may_send(context, &ends) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* CURLOPT_DEBUGFUNCTION */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t size, void *context)
{
    grid_transfer *transfer = context;

    (void)easy;
    if (type == CURLINFO_TEXT)
        grid_engine_read_text(transfer->engine, &transfer->task, transfer->detail, (grid_slice){data, size});
    else if (type == CURLINFO_DATA_IN)
        grid_body_add_encoded(&transfer->body, (grid_slice){data, size});
    return 0;
}

bool grid_transfer_is_refused(const grid_transfer *transfer)
{
    return transfer->task.stream.is_refused && transfer->headers.status == 0;
}

/* Refuses an answer that was received before the request was sent. */
static bool check_beginning(grid_transfer *transfer)
{
    const grid_task *task = &transfer->task;

    transfer->is_early |= !transfer->headers.status && !transfer->hides_input &&
                          grid_connections_is_early(task->easy, &task->lease);
    return !transfer->is_early ||
           grid_transfer_refuse(transfer, GRID_PROTOCOL, "bad_http", "the answer was there before the request was sent");
}

static size_t take(grid_transfer *transfer, size_t size, bool is_taken)
{
    transfer->has_failure |= !is_taken;
    return is_taken ? size : 0;
}

static size_t on_header(char *data, size_t one, size_t size, void *context)
{
    grid_transfer *transfer = context;

    (void)one;
    if (!check_beginning(transfer))
        return 0;
    grid_engine_on_answer(transfer->engine, &transfer->task);
    if (transfer->hides_input)
        grid_options_end_http1(transfer->task.easy, (grid_slice){data, size});
    grid_body_read_header(&transfer->body, transfer->task.easy, (grid_slice){data, size});
    return take(transfer, size, grid_headers_add(&transfer->headers, (grid_slice){data, size}, &transfer->failure));
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    grid_transfer *transfer = context;

    (void)one;
    grid_engine_on_answer(transfer->engine, &transfer->task);
    return take(transfer, size, grid_body_add(&transfer->body, (grid_slice){data, size}, &transfer->failure));
}

long grid_transfer_proxy_refusal(const grid_transfer *transfer)
{
    long status = 0;

    if (!transfer->task.is_sent)
        curl_easy_getinfo(transfer->task.easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? status : 0;
}

/* CURLOPT_XFERINFOFUNCTION. Aborts when the deadline has passed during a long step, which
 * continues as long as an answer arrives fast enough, or when the proxy refused CONNECT,
 * since the body of the refusal is not used. */
static int on_progress(void *context, curl_off_t to_get, curl_off_t got, curl_off_t to_put, curl_off_t put)
{
    grid_transfer *transfer = context;

    (void)to_get, (void)got, (void)to_put, (void)put;
    return grid_engine_on_progress(transfer->engine, &transfer->task) || grid_transfer_proxy_refusal(transfer) != 0;
}

#define SET(transfer, option, value) GRID_SET_OPTION((transfer)->task.easy, (transfer)->code, option, value)

static void set_request_callbacks(grid_transfer *transfer)
{
    SET(transfer, CURLOPT_PREREQFUNCTION, on_request);
    SET(transfer, CURLOPT_PREREQDATA, transfer);
    SET(transfer, CURLOPT_NOPROGRESS, 0L);
    SET(transfer, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(transfer, CURLOPT_XFERINFODATA, transfer);
}

static void set_answer_callbacks(grid_transfer *transfer)
{
    SET(transfer, CURLOPT_ERRORBUFFER, transfer->detail);
    SET(transfer, CURLOPT_DEBUGFUNCTION, on_debug);
    SET(transfer, CURLOPT_DEBUGDATA, transfer);
    SET(transfer, CURLOPT_HEADERFUNCTION, on_header);
    SET(transfer, CURLOPT_HEADERDATA, transfer);
    SET(transfer, CURLOPT_WRITEFUNCTION, on_body);
    SET(transfer, CURLOPT_WRITEDATA, transfer);
}

void grid_transfer_set_callbacks(grid_transfer *transfer)
{
    set_request_callbacks(transfer);
    set_answer_callbacks(transfer);
}
