/* Replaces a file under a lock, and reads whole files.
 *
 * Owns: the lock on the old file, and its replacement.
 * Does not know: the content of files. All functions fail with kind "store", and the
 * codes of lock.h and replacement.h. */
#ifndef GRID_BASE_FILE_H
#define GRID_BASE_FILE_H

#include "base/buffer.h"
#include "base/replacement.h"

typedef struct grid_file grid_file;

/* Locks the file, if it exists, and begins its replacement. */
grid_file *grid_file_begin(const char *path, grid_error *err);

/* Appends at most `limit` bytes of the old file, read through the descriptor of the lock,
 * since over SMB no other descriptor may read. Code "not_read". */
bool grid_file_read(const grid_file *file, size_t limit, grid_buffer *out, grid_error *err);

/* Borrowed. */
grid_replacement *grid_file_replacement(grid_file *file);

/* Removes the new file unless it was committed, and releases the lock. NULL is
 * allowed. */
void grid_file_free(grid_file *file);

/* Appends the content of the file at `path`. Codes "not_found", "not_read", "too_large"
 * (more than `limit` bytes). */
bool grid_file_read_whole(const char *path, size_t limit, grid_buffer *out, grid_error *err);

#endif
