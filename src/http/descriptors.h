/* Checks whether the process is out of file descriptors, since libcurl does not report
 * that as the cause of a failed transfer.
 *
 * Owns: nothing; the descriptors that are opened for the check are closed again.
 * Does not know: libcurl. */
#ifndef GRID_HTTP_DESCRIPTORS_H
#define GRID_HTTP_DESCRIPTORS_H

#include <stdbool.h>

/* True: fewer descriptors are free than the start of a transfer may need at once. When a
 * transfer has failed, libcurl has already closed those of the transfer. */
bool grid_descriptors_are_used_up(void);

#endif
