#include "http/transfer.h"

#include "base/alloc.h"
#include "http/clock.h"
#include "http/engine_internal.h"
#include "http/failure.h"
#include "http/guard.h"
#include "http/options.h"
#include "http/retry_after.h"
#include "http/timing.h"
#include "http/transfer_internal.h"

#include <stddef.h>

static grid_transfer *transfer_of(grid_task *task)
{
    return (grid_transfer *)(void *)((char *)task - offsetof(grid_transfer, task));
}

static bool prepare(grid_transfer *transfer, const grid_exchange *exchange, grid_error *err)
{
    grid_task *task = &transfer->task;

    if (!grid_header_lines_set(&transfer->header_lines, exchange, err))
        return false;
    transfer->url = grid_engine_url(transfer->engine, exchange->url);
    task->easy = curl_easy_init();
    if (!transfer->url || !task->easy)
        return grid_error_out_of_memory(err);
    transfer->code = grid_options_set(task->easy, exchange, transfer->url, &transfer->header_lines);
    grid_transfer_set_callbacks(transfer);
    if (transfer->code != CURLE_OK) {
        grid_failure_describe(err, &(grid_ending){.code = transfer->code, .detail = ""});
        return false;
    }
    task->origin = grid_url_origin(transfer->url);
    task->may_share = grid_options_may_share(exchange);
    task->in_clear = grid_options_in_clear(exchange);
    transfer->hides_input = grid_options_hides_input(exchange);
    return grid_engine_start(transfer->engine, task, exchange->timeout, err);
}

/* Frees the easy handle, and with it all pointers of libcurl into this transfer. The
 * handle is not reused: libcurl before 8.1.1 would write to freed memory if an answer's
 * headers begin with a blank (curl issue 11101), and a new handle costs a microsecond. In
 * a child of the engine's process the handle is not freed, see grid_engine_unref. */
static void release_request(grid_transfer *transfer)
{
    if (transfer->task.easy && grid_engine_is_ours(transfer->engine))
        curl_easy_cleanup(transfer->task.easy);
    transfer->task.easy = NULL;
    grid_url_unref(transfer->url);
    transfer->url = NULL;
    grid_header_lines_clear(&transfer->header_lines);
}

static void describe_failure(grid_transfer *transfer)
{
    grid_failure_describe(&transfer->failure, &(grid_ending){
        .code = transfer->code,
        .detail = transfer->detail,
        .seconds = transfer->timing.total,
        .proxy_status = grid_transfer_proxy_refusal(transfer),
        .status = transfer->headers.status,
        .is_sent = transfer->task.is_sent,
        .is_refused = grid_transfer_is_refused(transfer),
    });
}

static void report_connection(const grid_transfer *transfer, CURLcode code)
{
    if (transfer->timing.http_version)
        grid_engine_set_http2(transfer->engine, &transfer->task, transfer->timing.http_version >= 20);
    if (code == CURLE_OPERATION_TIMEDOUT)
        grid_engine_end_unanswered(transfer->engine, &transfer->task);
    if ((grid_failure_breaks_connection(code) && !transfer->task.stream.is_refused) || transfer->is_early)
        grid_engine_end_broken(transfer->engine, &transfer->task);
}

/* Content-Length counts the bytes of a body in its coding, which are not those that
 * libcurl has passed. */
static bool has_answer(const grid_transfer *transfer, CURLcode code)
{
    const grid_task *task = &transfer->task;

    return transfer->headers.is_whole && !transfer->body.is_encoded &&
           grid_stream_has_answer(&task->stream, task->easy, code, transfer->body.bytes.size);
}

/* Refuses what libcurl accepts: a 101 without a request for it, and headers that end
 * within a line. */
static CURLcode check_answer(const grid_transfer *transfer, CURLcode code)
{
    const grid_headers *headers = &transfer->headers;

    if (code != CURLE_OK && has_answer(transfer, code))
        code = CURLE_OK;
    if (code == CURLE_OK && headers->status < 200)
        return CURLE_WEIRD_SERVER_REPLY;
    return code == CURLE_OK && !headers->is_whole ? CURLE_PARTIAL_FILE : code;
}

/* After a passed deadline the time is measured here: libcurl's time does not include the
 * wait for a connection that another transfer opens. */
static void on_finish(grid_task *task, CURLcode code)
{
    grid_transfer *transfer = transfer_of(task);

    if (task->is_unfit) /* after the last restart, too */
        grid_transfer_refuse(transfer, GRID_NETWORK, "connection_lost",
                             "each idle connection was closed by the server or held input");
    transfer->timing = grid_timing_read(task->easy);
    transfer->retry_after = grid_retry_after(&transfer->headers, time(NULL));
    if (transfer->headers.status == 0 && code != CURLE_OK && !transfer->is_early)
        transfer->headers.status = grid_stream_status(task->easy);
    if (code == CURLE_ABORTED_BY_CALLBACK && !transfer->has_failure) /* by on_progress */
        code = CURLE_OPERATION_TIMEDOUT;
    if (code == CURLE_OPERATION_TIMEDOUT)
        transfer->timing.total = grid_clock_now() - task->started;
    report_connection(transfer, code);
    code = grid_body_end(&transfer->body, task->easy, code, transfer->has_failure);
    transfer->code = check_answer(transfer, code);
    transfer->is_finished = true;
    if (transfer->code != CURLE_OK && (!transfer->has_failure || grid_transfer_is_refused(transfer)))
        describe_failure(transfer);
    grid_engine_remove(transfer->engine, task);
    release_request(transfer);
}

static void destroy(grid_transfer *transfer)
{
    release_request(transfer);
    grid_headers_clear(&transfer->headers);
    grid_body_clear(&transfer->body);
    grid_engine_unref(transfer->engine);
    grid_free(transfer);
}

/* Memory for the answer is allocated when the answer begins: most transfers in flight
 * have received nothing. */
static grid_transfer *new_transfer(grid_engine *engine, const grid_exchange *exchange)
{
    grid_transfer *transfer = grid_calloc(sizeof *transfer);

    if (!transfer)
        return NULL;
    transfer->task.on_finish = on_finish;
    transfer->engine = grid_engine_ref(engine);
    transfer->not_after = exchange->not_after;
    grid_headers_init(&transfer->headers);
    grid_body_init(&transfer->body, exchange->max_response_bytes);
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
    if (transfer->is_finished)
        grid_task_unlink(&transfer->task);
    else
        grid_engine_cancel(transfer->engine, &transfer->task);
    destroy(transfer);
    grid_guard_leave(&guard);
}

grid_transfer *grid_transfer_take_finished(grid_engine *engine)
{
    grid_task *task = grid_engine_take_finished(engine);

    return task ? transfer_of(task) : NULL;
}

bool grid_transfer_is_finished(const grid_transfer *transfer)
{
    return transfer->is_finished;
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
    return transfer->task.is_sent && !grid_transfer_is_refused(transfer) ? GRID_SENT_UNKNOWN : GRID_SENT_NO;
}

const grid_headers *grid_transfer_headers(const grid_transfer *transfer)
{
    return &transfer->headers;
}

grid_slice grid_transfer_body(const grid_transfer *transfer)
{
    const grid_buffer *bytes = &transfer->body.bytes;

    return (grid_slice){bytes->data ? bytes->data : "", bytes->size};
}

grid_timing grid_transfer_timing(const grid_transfer *transfer)
{
    return transfer->timing;
}

long grid_transfer_retry_after(const grid_transfer *transfer)
{
    return transfer->retry_after;
}
