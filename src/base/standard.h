/* Standard input, output and errors: descriptors 0 to 2 of a program.
 *
 * Owns: nothing. Does not know: who writes to them.
 * A program that was started with one of them closed gets that number for the first thing
 * that it opens, a socket perhaps, and its text goes there. */
#ifndef GRID_BASE_STANDARD_H
#define GRID_BASE_STANDARD_H

#include <stdbool.h>

/* Opens /dev/null for each of them that is closed, in such a way that to read from it or
 * to write to it still fails (EBADF). False, with errno: that cannot be. */
bool grid_standard_fill(void);

#endif
