/* Standard input, output and errors: descriptors 0 to 2 of a program.
 *
 * Owns: nothing. Does not know: what writes to them.
 * A program that was started with one of them closed gets that number for the first file
 * that it opens, a socket perhaps, and its text goes there. */
#ifndef GRID_BASE_STANDARD_H
#define GRID_BASE_STANDARD_H

#include <stdbool.h>

/* Opens /dev/null for each of them that is closed, in such a way that to read from it or
 * to write to it still fails (EBADF). False, with errno: /dev/null cannot be opened. */
bool grid_standard_fill(void);

/* The same open file on a descriptor above these, whether they are open or not; `fd`
 * is closed if it is one of them. Negative, with errno, on failure or if `fd` is
 * negative. */
int grid_standard_above(int fd);

#endif
