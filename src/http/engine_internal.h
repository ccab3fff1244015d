/* What the engine offers to the owners of tasks, within this room only. */
#ifndef GRID_HTTP_ENGINE_INTERNAL_H
#define GRID_HTTP_ENGINE_INTERNAL_H

#include "base/slice.h"
#include "http/engine.h"
#include "http/task.h"
#include "http/url.h"

/* Starts a task, which ends in `timeout` seconds at most. References the engine until the
 * task is removed. */
bool grid_engine_start(grid_engine *engine, grid_task *task, double timeout, grid_error *err);

/* For the task's on_finish: takes its easy handle out of the multi handle, and drops the
 * reference. */
void grid_engine_remove(grid_engine *engine, grid_task *task);

/* Takes a task out of the engine that has not finished. Another task may have waited for
 * its connection. */
void grid_engine_cancel(grid_engine *engine, grid_task *task);

/* CURLOPT_PREREQFUNCTION: the task's request is about to go out on the connection with
 * these ports. False: the connection is unfit, and the transfer must be aborted; it is
 * started again on another connection, at most GRID_MAX_RESTARTS times. */
bool grid_engine_take_connection(grid_engine *engine, grid_task *task, int local_port, int remote_port);

/* Each restart closes an idle connection, so that their number is limited anyway. */
enum { GRID_MAX_RESTARTS = 100 };

/* A part of an answer came for the task. */
void grid_engine_hear(grid_engine *engine, const grid_task *task);

/* CURLOPT_DEBUGFUNCTION: a line of text. `detail` is the CURLOPT_ERRORBUFFER. */
void grid_engine_read_text(grid_engine *engine, grid_task *task, const char *detail, grid_slice text);

/* CURLOPT_XFERINFOFUNCTION. True: the deadline has passed during a long step. */
bool grid_engine_on_progress(grid_engine *engine, grid_task *task);

/* The task was answered by HTTP/2, or by another version. */
void grid_engine_learn(grid_engine *engine, const grid_task *task, bool is_http2);

/* The task was not answered in time, see grid_connections_end_silent. */
void grid_engine_end_silent(grid_engine *engine, const grid_task *task);

/* The parsed URL, with a reference for the caller; NULL: out of memory. The engine keeps
 * the last one, since most calls go to the same URL. */
grid_url *grid_engine_url(grid_engine *engine, const char *text);

#endif
