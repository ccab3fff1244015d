#include "http/engine.h"

#include "base/alloc.h"
#include "base/fork.h"
#include "http/clock.h"
#include "http/deadlines.h"
#include "http/driver.h"
#include "http/engine_internal.h"
#include "http/failure.h"
#include "http/guard.h"
#include "http/lanes.h"

#include <pthread.h>

/* If a step has lasted this long, a transfer whose deadline has passed is aborted during
 * the step, since its own input may be what prolongs the step. */
#define STEP_SECONDS 1

struct grid_engine {
    grid_lanes lanes;
    grid_connections connections;
    grid_driver *driver;
    grid_deadlines deadlines; /* of the running tasks */
    grid_engine **home;
    unsigned forks; /* see grid_fork_count */
    unsigned refs;
    size_t in_flight;
    grid_url *url; /* of the last task, or NULL */
    grid_task_list running;
    grid_task_list finished; /* oldest first */
    bool has_answer;   /* a part of an answer was received in this step */
    bool has_refused;  /* a task is running whose HTTP/2 stream was refused */
    double stepped;    /* start of the last step, on grid_clock_now */
};

static void start_libcurl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The multi handles are freed before the driver, since curl_multi_cleanup reports closed
 * sockets to the driver. In a child of the owner they are not freed, since the end of a
 * TLS session writes to the parent's connection. */
static void release(grid_engine *engine)
{
    grid_guard guard;

    if (engine->home)
        *engine->home = NULL;
    grid_guard_enter(&guard);
    if (grid_engine_is_ours(engine))
        grid_lanes_clear(&engine->lanes);
    grid_guard_leave(&guard);
    if (engine->driver)
        grid_driver_free(engine->driver);
    grid_connections_clear(&engine->connections);
    grid_url_unref(engine->url);
    grid_free(engine);
}

grid_engine *grid_engine_new(grid_engine **home, grid_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    grid_engine *engine = grid_calloc(sizeof *engine);
    grid_guard guard;

    if (!engine) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    grid_guard_enter(&guard);
    pthread_once(&once, start_libcurl);
    engine->forks = grid_fork_count();
    engine->refs = 1;
    grid_deadlines_clear(&engine->deadlines);
    grid_connections_init(&engine->connections);
    engine->driver = grid_driver_new(&engine->connections, err);
    grid_guard_leave(&guard);
    if (!engine->driver) {
        release(engine);
        return NULL;
    }
    grid_lanes_init(&engine->lanes, engine->driver, &engine->connections);
    engine->home = home;
    if (home)
        *home = engine;
    return engine;
}

void grid_engine_leave_home(grid_engine *engine)
{
    if (engine->home)
        *engine->home = NULL;
    engine->home = NULL;
}

grid_engine *grid_engine_ref(grid_engine *engine)
{
    engine->refs++;
    return engine;
}

void grid_engine_unref(grid_engine *engine)
{
    if (--engine->refs == 0)
        release(engine);
}

bool grid_engine_is_ours(const grid_engine *engine)
{
    return engine->forks == grid_fork_count();
}

/* ---- Tasks ------------------------------------------------------------------------- */

bool grid_engine_start(grid_engine *engine, grid_task *task, double timeout, grid_error *err)
{
    CURLMcode code = grid_lanes_add(&engine->lanes, task);

    if (code != CURLM_OK)
        return grid_failure_not_started(err, code);
    grid_engine_ref(engine);
    engine->in_flight++;
    task->started = engine->stepped = grid_clock_now();
    task->deadline = task->started + timeout;
    grid_task_list_prepend(&engine->running, task);
    grid_deadlines_add(&engine->deadlines, task->deadline);
    grid_lanes_begin(&engine->lanes, task->lane);
    return true;
}

void grid_engine_remove(grid_engine *engine, grid_task *task)
{
    if (grid_engine_is_ours(engine)) {
        grid_lanes_remove(&engine->lanes, task);
        grid_connections_release(&engine->connections, &task->lease);
    }
    if (--engine->in_flight == 0)
        grid_deadlines_clear(&engine->deadlines);
    grid_engine_unref(engine);
}

void grid_engine_cancel(grid_engine *engine, grid_task *task)
{
    grid_task_unlink(task);
    grid_engine_ref(engine);
    grid_engine_remove(engine, task);
    if (grid_engine_is_ours(engine) && engine->lanes.counts[task->lane])
        grid_lanes_begin(&engine->lanes, task->lane);
    grid_engine_unref(engine);
}

static void finish(grid_engine *engine, grid_task *task, CURLcode code)
{
    grid_task_unlink(task);
    grid_task_list_append(&engine->finished, task);
    task->on_finish(task, code);
}

grid_task *grid_engine_take_finished(grid_engine *engine)
{
    grid_task *task = grid_engine_is_ours(engine) ? engine->finished.first : NULL;

    if (task)
        grid_task_unlink(task);
    return task;
}

size_t grid_engine_in_flight(const grid_engine *engine)
{
    return grid_engine_is_ours(engine) ? engine->in_flight : 0;
}

/* ---- Reports of a task ----------------------------------------------------------- */

bool grid_engine_take_connection(grid_engine *engine, grid_task *task, const grid_ends *ends)
{
    task->is_unfit = !grid_connections_take(&engine->connections, task->easy, task->may_share, ends, &task->lease);
    if (task->is_unfit || (task->in_clear && grid_connections_speaks_first(&engine->connections, &task->lease)))
        return false;
    grid_driver_limit_reads(engine->driver, task->easy);
    task->is_sent = true;
    if (task->may_share)
        grid_stream_begin(&task->stream, task->easy, &task->lease, grid_driver_entry(engine->driver));
    return true;
}

void grid_engine_on_answer(grid_engine *engine, const grid_task *task)
{
    engine->has_answer = true;
    grid_connections_on_answer(&engine->connections, &task->lease, engine->stepped);
}

/* Applies a GOAWAY to all tasks of the connection, since libcurl passes its text to one
 * transfer only. */
static void refuse_streams(grid_engine *engine, unsigned connection, long last)
{
    for (grid_task *task = engine->running.first; task; task = task->next)
        if (grid_stream_refuse(&task->stream, connection, last))
            engine->has_refused = true;
}

/* If the frames of a server end the session, libcurl 8.14 to 8.22 reports that to the
 * transfer that has read them when the transfer reads again, and the socket need not
 * become ready again. */
void grid_engine_read_text(grid_engine *engine, grid_task *task, const char *detail, grid_slice text)
{
    grid_stream *stream = &task->stream;

    if (grid_stream_read(stream, task->easy, detail, grid_driver_entry(engine->driver), text))
        refuse_streams(engine, stream->connection, stream->last);
    if (stream->is_shut_down && task->lease.opened)
        grid_driver_read_again(engine->driver, task->lease.fd);
    stream->is_shut_down = false;
    if (stream->is_refused)
        engine->has_refused = true;
}

/* The request was not sent: the engine restarts the task on another connection. */
static void leave_connection(grid_engine *engine, grid_task *task, bool is_ended)
{
    grid_connections_release(&engine->connections, &task->lease);
    task->stream = (grid_stream){0};
    task->is_sent = false;
    task->lease.is_refused = !is_ended;
    task->is_unfit = true;
}

/* A connection with other users is kept for them. False: it is, and what it could not
 * write yet may be the request. */
static bool withdraw(grid_engine *engine, grid_task *task)
{
    bool is_ended = grid_connections_end_unused(&engine->connections, &task->lease);

    if (!is_ended && grid_driver_is_blocked(engine->driver))
        return false;
    leave_connection(engine, task, is_ended);
    return true;
}

bool grid_engine_on_progress(grid_engine *engine, grid_task *task)
{
    double now = grid_clock_now();
    unsigned entry = grid_driver_entry(engine->driver);

    if (grid_stream_is_held(&task->stream, task->easy, entry) && withdraw(engine, task))
        return true;
    task->stream.progressed = entry;
    return now > task->deadline && now > engine->stepped + STEP_SECONDS;
}

void grid_engine_set_http2(grid_engine *engine, const grid_task *task, bool is_http2)
{
    grid_lanes_set_http2(&engine->lanes, task, is_http2, &engine->running);
}

void grid_engine_end_unanswered(grid_engine *engine, const grid_task *task)
{
    grid_connections_end_unanswered(&engine->connections, &task->lease, task->started);
}

void grid_engine_end_broken(grid_engine *engine, const grid_task *task)
{
    if (task->lease.opened && !grid_connections_end_unused(&engine->connections, &task->lease))
        grid_driver_read(engine->driver, task->lane, task->lease.fd);
}

grid_url *grid_engine_url(grid_engine *engine, const char *text)
{
    if (!engine->url || !grid_url_is(engine->url, text)) {
        grid_url_unref(engine->url);
        engine->url = grid_url_new(text);
    }
    return engine->url ? grid_url_ref(engine->url) : NULL;
}

/* ---- Ended and restarted tasks ----------------------------------------------------- */

static bool restart(grid_engine *engine, grid_task *task)
{
    if (!task->is_unfit || task->restarts == GRID_MAX_RESTARTS)
        return false;
    task->restarts++;
    task->is_unfit = false;
    if (grid_lanes_restart(&engine->lanes, task))
        return true;
    task->is_unfit = true;
    return false;
}

/* If a connection by way of an HTTPS proxy has ended, libcurl 7.88 closes it for one
 * transfer, begins further ones on it nevertheless, and fails to send their requests. */
static bool is_unsent(const grid_task *task, CURLcode code)
{
    long written = 0;

    if (code != CURLE_FAILED_INIT || !task->is_sent)
        return false;
    curl_easy_getinfo(task->easy, CURLINFO_REQUEST_SIZE, &written);
    return written == 0;
}

static void collect_done(grid_engine *engine)
{
    grid_task *task;
    CURLcode code;

    while ((task = grid_lanes_next_done(&engine->lanes, &code))) {
        if (is_unsent(task, code))
            leave_connection(engine, task, grid_connections_end_unused(&engine->connections, &task->lease));
        if (!restart(engine, task))
            finish(engine, task, code);
    }
}

/* Ends tasks whose HTTP/2 stream was refused, before libcurl sends the request again. */
static void end_refused(grid_engine *engine)
{
    grid_task *task, *next;

    engine->has_refused = false;
    for (task = engine->running.first; task; task = next) {
        next = task->next;
        if (task->stream.is_refused)
            finish(engine, task, CURLE_HTTP2_STREAM);
    }
}

static void end_overdue(grid_engine *engine)
{
    grid_task *task, *next;
    double now = grid_clock_now();

    grid_deadlines_clear(&engine->deadlines);
    for (task = engine->running.first; task; task = next) {
        next = task->next;
        if (task->deadline <= now)
            finish(engine, task, CURLE_OPERATION_TIMEDOUT);
        else
            grid_deadlines_add(&engine->deadlines, task->deadline);
    }
}

/* ---- Steps ------------------------------------------------------------------------- */

/* Serves ready sockets before deadlines are checked, so that buffered answers are
 * read. */
void grid_engine_step(grid_engine *engine)
{
    grid_guard guard;
    bool more;

    if (!grid_engine_is_ours(engine))
        return;
    grid_guard_enter(&guard);
    engine->stepped = grid_clock_now();
    engine->has_answer = false;
    more = grid_driver_step(engine->driver);
    grid_engine_ref(engine); /* a finishing task releases its reference */
    collect_done(engine);
    if (engine->has_refused)
        end_refused(engine);
    if (grid_deadlines_are_due(&engine->deadlines, engine->driver, more, engine->has_answer))
        end_overdue(engine);
    grid_engine_unref(engine);
    grid_guard_leave(&guard);
}

void grid_engine_wait(grid_engine *engine, double seconds)
{
    if (grid_engine_is_ours(engine) && seconds > 0) /* and not NaN */
        grid_driver_wait(engine->driver, grid_clock_sooner(seconds, grid_deadlines_until(&engine->deadlines)));
}

double grid_engine_timeout(const grid_engine *engine)
{
    if (!grid_engine_is_ours(engine))
        return -1;
    return grid_clock_sooner(grid_driver_timeout(engine->driver), grid_deadlines_until(&engine->deadlines));
}

int grid_engine_fd(const grid_engine *engine)
{
    return grid_engine_is_ours(engine) ? grid_driver_fd(engine->driver) : -1;
}

void grid_engine_wake(grid_engine *engine)
{
    if (grid_engine_is_ours(engine))
        grid_driver_wake(engine->driver);
}

void grid_engine_clear_wakeup(grid_engine *engine)
{
    if (grid_engine_is_ours(engine))
        grid_driver_clear_wakeup(engine->driver);
}
