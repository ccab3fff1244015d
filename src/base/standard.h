/* Reserves descriptors 0 to 2 for standard input, output and errors.
 *
 * Owns: nothing. Does not know: the users of the descriptors. If a program is started
 * with one of them closed, the first file or socket that it opens gets that number, and
 * the text of the program is written there. */
#ifndef GRID_BASE_STANDARD_H
#define GRID_BASE_STANDARD_H

#include <stdbool.h>

/* Opens /dev/null for each closed one, in the opposite mode, so that a read or write
 * still fails (EBADF). False, with errno: /dev/null cannot be opened. */
bool grid_standard_fill(void);

/* Returns a descriptor above 2 for the same open file; `fd` is closed if it is 0 to 2.
 * Negative, with errno, on failure or if `fd` is negative. */
int grid_standard_above(int fd);

#endif
