/* Starts the threads of the core.
 *
 * Owns: nothing; the caller joins the thread. Does not know: the work of a thread. */
#ifndef GRID_BASE_THREAD_H
#define GRID_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>

/* Starts run(context) in a thread that blocks all signals, so that the program's handlers
 * run in its own threads. False: no thread is left. */
bool grid_thread_start(pthread_t *thread, void *(*run)(void *), void *context);

#endif
