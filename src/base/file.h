/* Files that are replaced whole, or not at all.
 *
 * Owns: a new file (0600) beside the one it is to replace, until it is committed (rename, atomic) or discarded.
 * Refuses to know: what is written. Everything fails with kind "store" and the system's own words.
 * To begin a file is refused where it could not take its place later, as far as can be told: nothing is spent then that could not
 * be saved; and where another process has begun it (code "busy"). What it replaces is a file, and stays its owner's. */
#ifndef GRID_BASE_FILE_H
#define GRID_BASE_FILE_H

#include "base/error.h"
#include "base/slice.h"

typedef struct grid_file grid_file;

/* `path` is followed if it is a symbolic link, so that the link stays one. */
grid_file *grid_file_begin(const char *path, grid_error *err);

/* Replaces the file. With `durable` it outlives a loss of power, once this has returned true; code "not_durable": it was replaced,
 * but that could not be made sure. */
bool grid_file_commit(grid_file *file, grid_slice bytes, bool durable, grid_error *err);

/* Removes what was begun and not committed; frees. NULL is fine. */
void grid_file_free(grid_file *file);

/* Makes everything durable that was written to the file system of this folder. */
bool grid_file_sync_folder(const char *folder, grid_error *err);

#endif
