/* The part of the engine that owners of tasks call, within this room only.
 * Owns: nothing. Does not know: the owners. */
#ifndef GRID_HTTP_ENGINE_INTERNAL_H
#define GRID_HTTP_ENGINE_INTERNAL_H

#include "base/slice.h"
#include "http/engine.h"
#include "http/task.h"
#include "http/url.h"

/* Starts a task, which ends after at most `timeout` seconds. The task has a reference to
 * the engine until the task is removed. */
bool grid_engine_start(grid_engine *engine, grid_task *task, double timeout, grid_error *err);

/* Called by the task's on_finish: removes the easy handle from the multi handle, and
 * releases the reference. */
void grid_engine_remove(grid_engine *engine, grid_task *task);

/* Removes a task that has not finished. The driver runs the lane, since another task may
 * have waited for its connection. */
void grid_engine_cancel(grid_engine *engine, grid_task *task);

/* CURLOPT_PREREQFUNCTION: called before the task's request is sent on the connection with
 * these ends. False: the transfer must be aborted. If task->is_unfit, the engine
 * restarts it on another connection, at most GRID_MAX_RESTARTS times; else the peer has
 * sent bytes on a new connection. */
bool grid_engine_take_connection(grid_engine *engine, grid_task *task, const grid_ends *ends);

/* A bound for safety: each restart closes an idle connection, so their number is
 * limited. */
enum { GRID_MAX_RESTARTS = 100 };

/* A part of an answer was received for the task. */
void grid_engine_on_answer(grid_engine *engine, const grid_task *task);

/* CURLOPT_DEBUGFUNCTION: a line of text of type CURLINFO_TEXT. `detail` is the
 * CURLOPT_ERRORBUFFER. */
void grid_engine_read_text(grid_engine *engine, grid_task *task, const char *detail, grid_slice text);

/* CURLOPT_XFERINFOFUNCTION. True: the transfer must be aborted. The deadline has passed
 * during a long step; or, if task->is_unfit, the server allows no stream on the
 * connection, and the engine restarts the task on another one. */
bool grid_engine_on_progress(grid_engine *engine, grid_task *task);

/* Records whether the answer of the task used HTTP/2. */
void grid_engine_set_http2(grid_engine *engine, const grid_task *task, bool is_http2);

/* The deadline of the task passed without an answer, see
 * grid_connections_end_unanswered. */
void grid_engine_end_unanswered(grid_engine *engine, const grid_task *task);

/* libcurl cannot read or write the connection of the task any more. If no other task uses
 * the connection, it is shut down, so that libcurl does not reuse it. Otherwise the other
 * tasks are run, and end as well if the connection has ended for them. */
void grid_engine_end_broken(grid_engine *engine, const grid_task *task);

/* The parsed URL, with a reference for the caller; NULL: out of memory. The last URL is
 * cached, since most calls have the same. */
grid_url *grid_engine_url(grid_engine *engine, const char *text);

#endif
