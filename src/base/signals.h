/* The signals that ask a program to end, for a program that has something in flight.
 *
 * Owns: their handlers, from grid_signals_catch on, for the whole process: a command's main asks for that, a library never does.
 * Refuses to know: what there is to finish. */
#ifndef GRID_BASE_SIGNALS_H
#define GRID_BASE_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP are noted once each; the next of the same kind ends the process. They end a sleep and a
 * read. One that the process was started to ignore stays ignored. SIGPIPE is ignored: a write fails instead. */
void grid_signals_catch(void);

/* Has one been noted? */
bool grid_signals_caught(void);

#endif
