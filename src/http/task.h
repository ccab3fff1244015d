/* A task is one easy handle that the engine runs until it has finished.
 *
 * Owns: nothing. The struct is embedded in its owner (a transfer), which sets the first
 * members, starts the task, and removes the task from the engine before the memory is
 * freed. The engine sets the other members.
 * Does not know: requests, answers, and errors. */
#ifndef GRID_HTTP_TASK_H
#define GRID_HTTP_TASK_H

#include "http/connections.h"
#include "http/stream.h"

#include <curl/curl.h>

#include <stdbool.h>
#include <stdint.h>

typedef struct grid_task grid_task;

typedef struct grid_task_list {
    grid_task *first;
    grid_task *last;
} grid_task_list;

struct grid_task {
    CURL *easy;
    uint64_t origin; /* of its URL, see grid_url_origin */
    bool may_share;  /* may share a connection, by HTTP/2 */
    bool in_clear;   /* without TLS, also to the proxy */
    /* libcurl has ended the task, or its deadline has passed. The easy handle is still in
     * the multi handle: the owner calls grid_engine_remove before it frees the handle. */
    void (*on_finish)(grid_task *task, CURLcode code);

    grid_task_list *list; /* the list that contains the task; NULL: none */
    grid_task *next;
    grid_task *previous;
    int lane;          /* see lanes.h */
    double started;    /* on grid_clock_now */
    double deadline;   /* on grid_clock_now */
    bool is_sent;      /* sending of the request has started */
    bool is_unfit;     /* the connection that libcurl chose for the request */
    int restarts;      /* number of restarts on another connection */
    grid_lease lease;  /* of the connection that carries the request */
    grid_stream stream;
};

void grid_task_list_prepend(grid_task_list *list, grid_task *task);
void grid_task_list_append(grid_task_list *list, grid_task *task);

/* Removes the task from its list, if any. */
void grid_task_unlink(grid_task *task);

#endif
