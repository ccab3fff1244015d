/* Folders that hold private files.
 *
 * Owns: nothing between two calls. Does not know: what the files are for. All fail with
 * kind "store" and the system's own words. */
#ifndef GRID_BASE_FOLDER_H
#define GRID_BASE_FOLDER_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

/* The folder that a path lies in; `folder` is the memory for it. */
const char *grid_folder_of(const char *path, char folder[PATH_MAX]);

/* Brings the names in a folder to the disk. Code "not_durable". */
bool grid_folder_sync(const char *folder, grid_error *err);

/* Makes a folder, 0700; it may be there already. To be durable its parent must be synced.
 * Code "not_made". */
bool grid_folder_make(const char *path, grid_error *err);

/* May only this process's user, and root, change what is in the folder? Codes
 * "not_found", "not_read", "not_private". */
bool grid_folder_check(const char *path, grid_error *err);

#endif
