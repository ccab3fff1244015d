/* Makes, checks and syncs folders of private files.
 *
 * Owns: nothing between two calls. Does not know: the content of files. All functions
 * fail with kind "store" and the text of strerror. */
#ifndef GRID_BASE_FOLDER_H
#define GRID_BASE_FOLDER_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

/* The folder of a path; `folder` is memory for the result. */
const char *grid_folder_of(const char *path, char folder[PATH_MAX]);

/* Syncs the names in a folder to the disk. Code "not_durable". */
bool grid_folder_sync(const char *folder, grid_error *err);

/* Gives a file that root has created to the owner of the folder of that path, who could
 * not read the file otherwise. */
void grid_folder_give_to_owner(int fd, const char *path);

/* Makes a folder with mode 0700; succeeds if the folder exists. The caller must sync the
 * parent for durability. Code "not_made". */
bool grid_folder_make(const char *path, grid_error *err);

/* Fails unless only the user of this process and root can change the files in the folder.
 * Codes "not_found", "not_read", "not_private". */
bool grid_folder_check(const char *path, grid_error *err);

#endif
