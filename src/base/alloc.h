/* Memory of the C core.
 *
 * Owns: the one door to malloc, a count of the blocks that are out, and the wiping of secrets.
 * Refuses to know: what the blocks hold.
 * Every block from here goes back through grid_free; a test can make any allocation fail. */
#ifndef GRID_BASE_ALLOC_H
#define GRID_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *grid_malloc(size_t size); /* NULL when there is none */
void *grid_calloc(size_t size); /* the same, zeroed */
void grid_free(void *block);    /* NULL is fine */

/* Overwrites memory in a way that no compiler removes. */
void grid_wipe(void *memory, size_t size);

/* Blocks handed out and not yet freed. Each spec ends with the number it began with. */
long grid_alloc_live(void);

/* For tests: asked before each allocation; false makes that allocation fail. NULL: never asked. */
void grid_alloc_set_gate(bool (*gate)(void));

#endif
