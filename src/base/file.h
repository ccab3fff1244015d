/* A file that is locked while it is being replaced; and files that are read whole.
 *
 * Owns: the lock on the old file, and its replacement.
 * Does not know: what is in the files. All fail with kind "store": the codes of lock.h
 * and replacement.h. */
#ifndef GRID_BASE_FILE_H
#define GRID_BASE_FILE_H

#include "base/buffer.h"
#include "base/replacement.h"

typedef struct grid_file grid_file;

/* Locks the file, if it is there, and begins its replacement. */
grid_file *grid_file_begin(const char *path, grid_error *err);

/* Appends up to `limit` bytes of the old file, read through the descriptor that holds the
 * lock: over SMB no other descriptor may read. Code "not_read". */
bool grid_file_read(const grid_file *file, size_t limit, grid_buffer *out, grid_error *err);

/* Borrowed. */
grid_replacement *grid_file_replacement(grid_file *file);

/* Removes what was begun and not committed, and releases the lock. NULL is allowed. */
void grid_file_free(grid_file *file);

/* Appends the content of the file at `path`. Codes "not_found", "not_read", "too_large":
 * it has more than `limit` bytes. */
bool grid_file_read_whole(const char *path, size_t limit, grid_buffer *out, grid_error *err);

#endif
