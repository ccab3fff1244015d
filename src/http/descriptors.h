/* Are file descriptors left? libcurl does not report that a transfer failed for want of
 * them.
 *
 * Owns: nothing; the descriptors that it opens to find out are closed again. */
#ifndef GRID_HTTP_DESCRIPTORS_H
#define GRID_HTTP_DESCRIPTORS_H

#include <stdbool.h>

/* Fewer are left than the start of a transfer may take at a time. By the time that
 * it has failed, libcurl has closed its own. */
bool grid_descriptors_are_used_up(void);

#endif
