/* Allocates the memory of the C core.
 *
 * Owns: the calls of malloc(3), a count of the blocks in use, and the wiping of secrets.
 * Does not know: the content of blocks. A block is freed with grid_free. A test can make
 * any allocation fail. */
#ifndef GRID_BASE_ALLOC_H
#define GRID_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *grid_malloc(size_t size); /* NULL: out of memory */
void *grid_calloc(size_t size); /* zeroed */
void grid_free(void *block);    /* NULL is allowed */

/* Overwrites memory; the compiler does not remove the call. */
void grid_wipe(void *memory, size_t size);

/* The number of blocks in use. Each spec ends with the number at its start. */
long grid_alloc_live(void);

/* For tests: called before each allocation; false makes that allocation fail. NULL: no
 * gate. */
void grid_alloc_set_gate(bool (*gate)(void));

#endif
