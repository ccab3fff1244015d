/* Files that are replaced whole, or not at all.
 *
 * Owns: a new file (0600) beside the one it is to replace, until it is committed (rename,
 * atomic) or discarded; and the lock on the old one (flock).
 * Does not know: what is written. All fail with kind "store" and the system's own words.
 * Beginning a file fails where it could not be replaced later, as far as can be told, so
 * that nothing is spent that cannot be saved: code "not_written"; "busy": another process
 * has begun it; "not_locked": its lock cannot be had, so that another process could begin
 * it; "hard_linked": it has other names, which would keep the old content. What is
 * replaced is a regular file, and its owner stays the same. */
#ifndef GRID_BASE_FILE_H
#define GRID_BASE_FILE_H

#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

typedef struct grid_file grid_file;

/* `path` is followed if it is a symbolic link, so that the link stays one. */
grid_file *grid_file_begin(const char *path, grid_error *err);

/* Appends up to `limit` bytes of the file that is to be replaced, read through the
 * descriptor that holds its lock: over SMB no other one may read it. Code "not_read". */
bool grid_file_read(const grid_file *file, size_t limit, grid_buffer *out, grid_error *err);

/* Writes the bytes beside the file that is to be replaced. Once. */
bool grid_file_write(grid_file *file, grid_slice bytes, grid_error *err);

typedef struct grid_file_result {
    bool is_synced, is_replaced; /* how far it came */
    bool is_durable;             /* all is done */
    grid_error error;            /* of the first step that failed */
} grid_file_result;

/* Replaces files that were written. After a loss of power each is the old or the new one,
 * never an empty one: all are synced before the first is renamed, and their folders after
 * the last. Code "not_durable": the file was replaced, but a loss of power may undo it.
 * */
void grid_files_commit(grid_file *const files[], size_t count, grid_file_result results[]);

/* Both for one file. */
bool grid_file_commit(grid_file *file, grid_slice bytes, grid_error *err);

/* Removes what was begun and not committed; frees. NULL is fine. */
void grid_file_free(grid_file *file);

#endif
