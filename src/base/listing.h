/* Reads the names in a folder, in no order.
 *
 * Owns: the open folder, until grid_listing_close.
 * Does not know: the content of files. Failures have kind "store", code "not_read" and
 * the text of strerror. */
#ifndef GRID_BASE_LISTING_H
#define GRID_BASE_LISTING_H

#include "base/error.h"

#include <dirent.h>
#include <stdbool.h>

typedef struct grid_listing {
    DIR *stream; /* NULL: closed */
} grid_listing;

bool grid_listing_open(grid_listing *listing, const char *path, grid_error *err);
void grid_listing_close(grid_listing *listing);

/* Sets *name, which is valid until the next call; NULL: no further name. `path` is that
 * of the folder, for the error, here and below. */
bool grid_listing_next(grid_listing *listing, const char *path, const char **name, grid_error *err);

/* The modification time of a regular file in the folder, in seconds since 1970. False:
 * not a regular file, or removed. */
bool grid_listing_file_modified(const grid_listing *listing, const char *name, double *seconds);

/* The modification time of the folder. */
bool grid_listing_modified(const grid_listing *listing, const char *path, double *seconds, grid_error *err);

#endif
