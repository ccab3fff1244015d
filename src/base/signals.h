/* The signals that ask a program to end, for a program with requests in flight.
 *
 * Owns: their handlers, from grid_signals_catch on, for the whole process: only a command
 * calls it, a library does not.
 * Does not know: what the program has to finish. */
#ifndef GRID_BASE_SIGNALS_H
#define GRID_BASE_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP are noted once each; the next of the same kind
 * ends the process. They interrupt a sleep and a read. A signal that was ignored at the
 * start stays ignored. SIGPIPE is ignored: a write fails with EPIPE instead. */
void grid_signals_catch(void);

/* True once a signal has been noted. */
bool grid_signals_caught(void);

#endif
