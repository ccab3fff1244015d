#include "http/engine.h"

#include "base/alloc.h"
#include "http/clock.h"
#include "http/driver.h"
#include "http/engine_internal.h"
#include "http/failure.h"
#include "http/guard.h"
#include "http/options.h"
#include "http/origins.h"

#include <pthread.h>

/* The lanes have a multi handle each. libcurl must not see an HTTP/1.1 connection beside those of HTTP/2: it would open a new
 * connection for every transfer in place of sharing one. */
enum {
    SHARED, /* transfers that may share a connection by HTTP/2 */
    SINGLE  /* transfers that use HTTP/1.1, and have a connection each */
};

/* To one host, each with 100 streams or so. When the streams of a connection are taken, libcurl (7.88.1) would open one more for
 * every transfer that waits, at 90 KiB each, and not use their streams. */
enum { MAX_SHARED_CONNECTIONS = 32 };

/* Idle ones. By default libcurl keeps four for each transfer in flight, and closes some in use by the next transfers. */
enum { MAX_IDLE_CONNECTIONS = 1024 };

/* The time of a whole transfer is kept here. libcurl would look at it before it reads what has come: whoever did not step for too
 * long would lose answers that are there. And where a transfer waits for the connection that another one is opening, it looks at
 * no limit at all (curl issue 6744). */
enum { MOST_PUT_OFF = 1024 }; /* steps, each of which found much that was ready */
#define STEP_SECONDS 1        /* that a step may take before a transfer whose time is up is ended amid it: others may have much */

/* CURLMOPT_QUICK_EXIT: the end of a multi handle does not wait for the threads that
 * look up names. A libcurl before 8.20 does not know the option; its threads belong
 * to the transfers, see CURLOPT_QUICK_EXIT. */
enum { QUICK_EXIT = 21 };

struct grid_engine {
    CURLM *multis[GRID_LANES]; /* NULL: no transfer was started there */
    size_t flying_in[GRID_LANES];
    grid_origins origins; /* without HTTP/2 */
    grid_connections connections;
    grid_driver *driver;
    grid_engine **home;
    unsigned generation; /* of the process that made it */
    unsigned refs;
    size_t in_flight;
    grid_url *url; /* of the last transfer, or NULL */
    grid_transfer *flying;
    bool has_heard; /* answers, or parts of them, in this step */
    bool has_refused; /* streams, whose transfers are still in flight */
    double stepped; /* when the last step began, on grid_clock_now */
    int put_off;    /* steps in a row that ended nothing, whatever was overdue */
    double look; /* at the deadlines of those, on grid_clock_now: not later than the first of them; negative: nothing flies */
    grid_transfer *finished; /* oldest first */
    grid_transfer **last;
};

/* Forks that lie between the process that first made an engine and this one. Cheaper than to ask for the process id. */
static unsigned generation;

static void count_fork(void)
{
    generation++;
}

static void start_libcurl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    pthread_atfork(NULL, NULL, count_fork);
}

static CURLM *multi_of(grid_engine *engine, int lane)
{
    CURLM *multi = engine->multis[lane];

    if (multi)
        return multi;
    multi = engine->multis[lane] = curl_multi_init();
    if (!multi)
        return NULL;
    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, lane == SHARED ? (long)MAX_SHARED_CONNECTIONS : 0L);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)MAX_IDLE_CONNECTIONS);
    curl_multi_setopt(multi, (CURLMoption)QUICK_EXIT, 1L);
    grid_driver_set_multi(engine->driver, lane, multi);
    return multi;
}

/* libcurl reports the sockets that it closes to the driver: the multi handle goes first. In a child of the owner nothing of
 * libcurl may be touched, since ending a TLS session would write into the parent's connection: the memory is let go. */
static void release(grid_engine *engine)
{
    grid_guard guard;

    if (engine->home)
        *engine->home = NULL;
    grid_guard_enter(&guard);
    for (int lane = 0; lane < GRID_LANES; lane++)
        if (engine->multis[lane] && grid_engine_is_ours(engine))
            curl_multi_cleanup(engine->multis[lane]);
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
    engine->generation = generation;
    engine->refs = 1;
    engine->last = &engine->finished;
    engine->look = -1;
    engine->driver = grid_driver_new(&engine->connections, err);
    grid_guard_leave(&guard);
    if (!engine->driver) {
        release(engine);
        return NULL;
    }
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
    return engine->generation == generation;
}

static void link_at(grid_transfer **at, grid_transfer *transfer)
{
    grid_member *member = grid_transfer_member(transfer);

    member->next = *at;
    member->back = at;
    if (*at)
        grid_transfer_member(*at)->back = &member->next;
    *at = transfer;
}

void grid_engine_forget(grid_engine *engine, grid_transfer *transfer)
{
    grid_member *member = grid_transfer_member(transfer);

    if (!member->back)
        return;
    if (engine->last == &member->next)
        engine->last = member->back;
    *member->back = member->next;
    if (member->next)
        grid_transfer_member(member->next)->back = member->back;
    member->back = NULL;
}

static void finish(grid_engine *engine, grid_transfer *transfer, CURLcode code)
{
    grid_engine_forget(engine, transfer);
    link_at(engine->last, transfer);
    engine->last = &grid_transfer_member(transfer)->next;
    grid_transfer_on_finish(transfer, code);
}

/* CURLMOPT_NETWORK_CHANGED, CURLMNWC_CLEAR_CONNS: idle connections are closed. An older libcurl does not know the option, and
 * closes the connection that was shut down by itself. */
enum { NETWORK_CHANGED = 17, CLEAR_CONNECTIONS = 1 << 1 };

static bool start_again(grid_engine *engine, grid_transfer *transfer, CURL *easy)
{
    int lane = grid_transfer_member(transfer)->lane;
    CURLM *multi = engine->multis[lane];

    curl_multi_remove_handle(multi, easy);
    curl_multi_setopt(multi, (CURLMoption)NETWORK_CHANGED, (long)CLEAR_CONNECTIONS);
    grid_options_set_series(easy, engine->connections.series);
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
        return false;
    grid_driver_begin(engine->driver, lane, engine->flying_in[lane]);
    return true;
}

static void collect_from(grid_engine *engine, CURLM *multi)
{
    CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(multi, &left))) {
        CURL *easy = message->easy_handle;
        CURLcode code = message->data.result; /* gone once the handle leaves the multi handle */
        grid_transfer *transfer;
        char *private = NULL;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        transfer = (grid_transfer *)(void *)private;
        if (!grid_transfer_takes_another_connection(transfer) || !start_again(engine, transfer, easy))
            finish(engine, transfer, code);
    }
}

static void collect_finished(grid_engine *engine)
{
    for (int lane = 0; lane < GRID_LANES; lane++)
        if (engine->multis[lane])
            collect_from(engine, engine->multis[lane]);
}

static void look_at(grid_engine *engine, double deadline)
{
    if (engine->look < 0 || deadline < engine->look)
        engine->look = deadline;
}

static void end_overdue(grid_engine *engine)
{
    grid_transfer *transfer, *next;
    double now = grid_clock_now();

    engine->look = -1;
    for (transfer = engine->flying; transfer; transfer = next) {
        double deadline = grid_transfer_member(transfer)->deadline;

        next = grid_transfer_member(transfer)->next;
        if (deadline <= now)
            finish(engine, transfer, CURLE_OPERATION_TIMEDOUT);
        else
            look_at(engine, deadline);
    }
}

/* Deadlines are put off while answers come in, and more is ready: one step does not read all that
 * has come. Input that is part of no answer does not put them off. */
static void end_or_put_off(grid_engine *engine, bool more)
{
    more = more || (engine->has_heard && grid_driver_is_ready(engine->driver));
    engine->put_off = more && engine->put_off < MOST_PUT_OFF ? engine->put_off + 1 : 0;
    if (!engine->put_off)
        end_overdue(engine);
}

static void end_refused(grid_engine *engine)
{
    grid_transfer *transfer, *next;

    engine->has_refused = false;
    for (transfer = engine->flying; transfer; transfer = next) {
        next = grid_transfer_member(transfer)->next;
        if (grid_transfer_stream(transfer)->is_refused)
            finish(engine, transfer, CURLE_HTTP2_STREAM);
    }
}

void grid_engine_end_refused(grid_engine *engine)
{
    engine->has_refused = true;
}

void grid_engine_refuse_streams(grid_engine *engine, unsigned connection, long last)
{
    grid_transfer *transfer;

    for (transfer = engine->flying; transfer; transfer = grid_transfer_member(transfer)->next)
        if (grid_stream_refuse(grid_transfer_stream(transfer), connection, last))
            engine->has_refused = true;
}

unsigned grid_engine_entry(const grid_engine *engine)
{
    return grid_driver_entry(engine->driver);
}

/* Ready sockets are served before deadlines are checked. */
void grid_engine_step(grid_engine *engine)
{
    grid_guard guard;
    bool more;

    if (!grid_engine_is_ours(engine))
        return;
    grid_guard_enter(&guard);
    engine->stepped = grid_clock_now();
    engine->has_heard = false;
    more = grid_driver_step(engine->driver);
    grid_engine_ref(engine); /* the transfers that finish let go of theirs */
    collect_finished(engine);
    if (engine->has_refused)
        end_refused(engine);
    if (grid_clock_until(engine->look) == 0)
        end_or_put_off(engine, more);
    else
        engine->put_off = 0;
    grid_engine_unref(engine);
    grid_guard_leave(&guard);
}

bool grid_engine_is_overdue(const grid_engine *engine, double deadline)
{
    double now = grid_clock_now();

    return now > deadline && now > engine->stepped + STEP_SECONDS;
}

void grid_engine_wait(grid_engine *engine, double seconds)
{
    if (grid_engine_is_ours(engine) && seconds > 0) /* and not NaN */
        grid_driver_wait(engine->driver, grid_clock_sooner(seconds, grid_clock_until(engine->look)));
}

double grid_engine_timeout(const grid_engine *engine)
{
    if (!grid_engine_is_ours(engine))
        return -1;
    return grid_clock_sooner(grid_driver_timeout(engine->driver), grid_clock_until(engine->look));
}

int grid_engine_fd(const grid_engine *engine)
{
    return grid_engine_is_ours(engine) ? grid_driver_fd(engine->driver) : -1;
}

void grid_engine_ring(grid_engine *engine)
{
    if (grid_engine_is_ours(engine))
        grid_driver_ring(engine->driver);
}

void grid_engine_silence(grid_engine *engine)
{
    if (grid_engine_is_ours(engine))
        grid_driver_silence(engine->driver);
}

size_t grid_engine_in_flight(const grid_engine *engine)
{
    return grid_engine_is_ours(engine) ? engine->in_flight : 0;
}

grid_transfer *grid_engine_take_finished(grid_engine *engine)
{
    grid_transfer *transfer = grid_engine_is_ours(engine) ? engine->finished : NULL;

    if (transfer)
        grid_engine_forget(engine, transfer);
    return transfer;
}

bool grid_engine_take_connection(grid_engine *engine, CURL *easy, int local_port, int remote_port, grid_lease *lease)
{
    if (!grid_connections_take(&engine->connections, easy, local_port, remote_port, lease))
        return false;
    grid_driver_limit_reads(engine->driver, easy);
    return true;
}

void grid_engine_release_connection(grid_engine *engine, grid_lease *lease)
{
    grid_connections_release(&engine->connections, lease);
}

void grid_engine_hear(grid_engine *engine, const grid_lease *lease)
{
    engine->has_heard = true;
    grid_connections_hear(&engine->connections, lease, engine->stepped);
}

void grid_engine_end_silent(grid_engine *engine, const grid_lease *lease, double since)
{
    grid_connections_end_silent(&engine->connections, lease, since);
}

grid_url *grid_engine_url(grid_engine *engine, const char *text)
{
    if (!engine->url || !grid_url_is(engine->url, text)) {
        grid_url_unref(engine->url);
        engine->url = grid_url_new(text);
    }
    return engine->url ? grid_url_ref(engine->url) : NULL;
}

static CURLMcode add(grid_engine *engine, grid_transfer *transfer, CURL *easy, int lane)
{
    CURLM *multi = multi_of(engine, lane);
    CURLMcode code;

    if (!multi)
        return CURLM_OUT_OF_MEMORY;
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, lane == SHARED ? 1L : 0L);
    grid_options_set_series(easy, engine->connections.series);
    code = curl_multi_add_handle(multi, easy);
    if (code != CURLM_OK)
        return code;
    grid_transfer_member(transfer)->lane = lane;
    engine->flying_in[lane]++;
    return CURLM_OK;
}

bool grid_engine_launch(grid_engine *engine, grid_transfer *transfer, CURL *easy, bool may_share, double timeout, grid_error *err)
{
    grid_member *member = grid_transfer_member(transfer);
    int lane = may_share && !grid_origins_has(&engine->origins, member->origin) ? SHARED : SINGLE;
    CURLMcode code;

    grid_driver_attach(engine->driver, easy);
    code = add(engine, transfer, easy, lane);
    if (code != CURLM_OK)
        return grid_failure_not_started(err, code);
    grid_engine_ref(engine);
    engine->in_flight++;
    member->started = engine->stepped = grid_clock_now();
    member->deadline = member->started + timeout;
    link_at(&engine->flying, transfer);
    look_at(engine, member->deadline);
    grid_driver_begin(engine->driver, lane, engine->flying_in[lane]);
    return true;
}

static void leave_lane(grid_engine *engine, grid_transfer *transfer, CURL *easy)
{
    int lane = grid_transfer_member(transfer)->lane;

    curl_multi_remove_handle(engine->multis[lane], easy);
    engine->flying_in[lane]--;
}

/* Transfers that wait for a stream would go on waiting for one of few connections. A transfer that cannot be added, which takes
 * memory, ends by its deadline; it counts where it was. */
static void move_unsent(grid_engine *engine, uint64_t origin)
{
    grid_transfer *transfer;

    for (transfer = engine->flying; transfer; transfer = grid_transfer_member(transfer)->next) {
        const grid_member *member = grid_transfer_member(transfer);
        CURL *easy = grid_transfer_unsent(transfer);

        if (!easy || member->lane != SHARED || member->origin != origin)
            continue;
        leave_lane(engine, transfer, easy);
        if (add(engine, transfer, easy, SINGLE) != CURLM_OK)
            engine->flying_in[SHARED]++;
    }
    grid_driver_begin(engine->driver, SINGLE, engine->flying_in[SINGLE]);
}

void grid_engine_learn(grid_engine *engine, const grid_transfer *transfer, bool is_http2)
{
    const grid_member *member = grid_transfer_member((grid_transfer *)transfer);

    if (is_http2) {
        grid_origins_remove(&engine->origins, member->origin);
    } else if (member->lane == SHARED && !grid_origins_has(&engine->origins, member->origin)) {
        grid_origins_add(&engine->origins, member->origin);
        move_unsent(engine, member->origin);
    }
}

void grid_engine_withdraw(grid_engine *engine, grid_transfer *transfer, CURL *easy)
{
    if (grid_engine_is_ours(engine))
        leave_lane(engine, transfer, easy);
    if (--engine->in_flight == 0)
        engine->look = -1;
    grid_engine_unref(engine);
}

void grid_engine_cancel(grid_engine *engine, grid_transfer *transfer, CURL *easy)
{
    int lane = grid_transfer_member(transfer)->lane;

    grid_engine_ref(engine);
    grid_engine_withdraw(engine, transfer, easy);
    if (grid_engine_is_ours(engine) && engine->flying_in[lane])
        grid_driver_begin(engine->driver, lane, engine->flying_in[lane]);
    grid_engine_unref(engine);
}
