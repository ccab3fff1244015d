/* Memory of the C core.
 *
 * Owns: the calls of malloc(3), a count of the blocks in use, and the wiping of secrets.
 * Does not know: what the blocks hold.
 * A block from here is freed with grid_free. A test can make any allocation fail. */
#ifndef GRID_BASE_ALLOC_H
#define GRID_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *grid_malloc(size_t size); /* NULL when there is none */
void *grid_calloc(size_t size); /* zeroed */
void grid_free(void *block);    /* NULL is fine */

/* Overwrites memory; the compiler does not remove the call. */
void grid_wipe(void *memory, size_t size);

/* Blocks in use. Each spec ends with the number that it began with. */
long grid_alloc_live(void);

/* For tests: called before each allocation; false makes that allocation fail. NULL: no
 * gate. */
void grid_alloc_set_gate(bool (*gate)(void));

#endif
