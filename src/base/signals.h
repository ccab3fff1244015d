/* Catches the signals that end a program, for a program with requests in flight.
 *
 * Owns: their handlers, for the whole process, from grid_signals_catch to
 * grid_signals_release. Calls of the two nest.
 * Does not know: the work that the program finishes before it ends. */
#ifndef GRID_BASE_SIGNALS_H
#define GRID_BASE_SIGNALS_H

#include <stdbool.h>

/* Installs handlers that record the first SIGINT, SIGTERM and SIGHUP; the second one of
 * the same kind ends the process. The signals interrupt a sleep and a read. A signal that
 * is ignored stays ignored. SIGPIPE is ignored: a write fails with EPIPE instead. */
void grid_signals_catch(void);

/* Restores what handled the signals before, after as many calls as of
 * grid_signals_catch. */
void grid_signals_release(void);

/* True after a signal was recorded. */
bool grid_signals_caught(void);

#endif
