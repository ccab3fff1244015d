/* Catches the signals that end a program, for a program with requests in flight.
 *
 * Owns: their handlers, from grid_signals_catch on, for the whole process: only a command
 * calls it, a library does not.
 * Does not know: the work that the program finishes before it ends. */
#ifndef GRID_BASE_SIGNALS_H
#define GRID_BASE_SIGNALS_H

#include <stdbool.h>

/* Installs handlers that record the first SIGINT, SIGTERM and SIGHUP; the second one of
 * the same kind ends the process. The signals interrupt a sleep and a read. A signal that
 * is ignored stays ignored. SIGPIPE is ignored: a write fails with EPIPE instead. */
void grid_signals_catch(void);

/* True after a signal was recorded. */
bool grid_signals_caught(void);

#endif
