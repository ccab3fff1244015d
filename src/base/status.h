/* Reads the attributes of a file without opening it.
 *
 * Owns: nothing. Does not know: the content of files. All functions fail with kind
 * "store", code "not_read" and the text of strerror. */
#ifndef GRID_BASE_STATUS_H
#define GRID_BASE_STATUS_H

#include "base/error.h"

#include <stdbool.h>
#include <time.h>

/* A dangling symbolic link exists. Fails if a folder on the way may not be searched,
 * say. */
bool grid_status_exists(const char *path, bool *exists, grid_error *err);

/* The modification time of a file or folder, in seconds since 1970. */
bool grid_status_modified(const char *path, double *seconds, grid_error *err);

enum { GRID_STAMP_SIZE = 120 }; /* with the NUL */

/* A text that differs after each change of the file or of its name, and the time of the
 * last change. */
bool grid_status_stamp(const char *path, char stamp[GRID_STAMP_SIZE], double *changed, grid_error *err);

static inline double grid_status_seconds(struct timespec time)
{
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

#endif
