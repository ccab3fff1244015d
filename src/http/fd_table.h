/* Grows tables that are indexed by file descriptors.
 *
 * Owns: nothing; a table belongs to the caller, who frees it with grid_free. Does not
 * know: the elements, which are zero until they are set. */
#ifndef GRID_HTTP_FD_TABLE_H
#define GRID_HTTP_FD_TABLE_H

#include <stddef.h>

/* Replaces a table of *size elements, each of `element` bytes, by one that has an element
 * for `fd`, and updates *size. NULL: no memory, and the table is unchanged. */
void *grid_fd_table_grow(void *table, int *size, size_t element, int fd);

#endif
