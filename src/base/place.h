/* Tells whether two paths name one folder, which may not exist yet.
 *
 * Owns: nothing. Does not know: the content of folders. */
#ifndef GRID_BASE_PLACE_H
#define GRID_BASE_PLACE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

enum { GRID_PLACE_SIZE = PATH_MAX + 64 }; /* with the NUL */

/* A text that is the same for all paths of a folder: device and inode of the last folder
 * on the way that exists, and the names of those that do not. Fails with kind "store" and
 * code "not_read" if the path is too long. */
bool grid_place_of(const char *path, char place[GRID_PLACE_SIZE], grid_error *err);

#endif
