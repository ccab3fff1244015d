/* Detects in a forked child that it is another process than the one that acquired a
 * resource.
 *
 * Owns: the number of forks and the process id, kept up to date by pthread_atfork(3).
 * getpid(2) would be a system call each time.
 * Does not know: the resources. A child of clone(2), which skips the handlers, is not
 * detected. */
#ifndef GRID_BASE_FORK_H
#define GRID_BASE_FORK_H

#include <sys/types.h>

/* The forks between the first call and this process. A resource is of this process if the
 * count has not changed since the resource was acquired. */
unsigned grid_fork_count(void);

pid_t grid_fork_pid(void); /* the id of this process */

#endif
