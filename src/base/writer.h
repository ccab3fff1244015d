/* The writer replaces and removes files on a thread of its own, so that an event loop
 * does not wait for the disk.
 *
 * Owns: the thread, from the first write until the writer is freed; and the queue.
 * Does not know: what is written, and what waits for it.
 * Writes are done in the order in which they were submitted. In a child of the process
 * that made it, a writer is inert: the thread was not forked. */
#ifndef GRID_BASE_WRITER_H
#define GRID_BASE_WRITER_H

#include "base/error.h"
#include "base/slice.h"

#include <stdbool.h>

typedef struct grid_writer grid_writer;
typedef struct grid_write grid_write;

/* Starts no thread yet. Fails with kind "request": "out_of_memory", "no_descriptor". */
grid_writer *grid_writer_new(grid_error *err);

/* Waits until the submitted writes are done: their bytes must reach the disk. The results
 * are dropped; a grid_write must not be used any more. */
void grid_writer_free(grid_writer *writer);

/* False in a child of the process that made the writer. */
bool grid_writer_is_ours(const grid_writer *writer);

/* Readable while a finished write has not been taken. */
int grid_writer_fd(const grid_writer *writer);

/* Submits grid_file_replace or grid_file_remove; path and bytes are copied. The write
 * belongs to the writer until grid_writer_take_finished returns it. Fails with kind
 * "request": "out_of_memory", "no_thread", "forked". */
grid_write *grid_writer_replace(grid_writer *writer, const char *path, grid_slice bytes, grid_error *err);
grid_write *grid_writer_remove(grid_writer *writer, const char *path, grid_error *err);

/* The oldest finished write, or NULL. The caller frees it. */
grid_write *grid_writer_take_finished(grid_writer *writer);

/* The number of a write: 1 for the writer's first, and one more for each that follows. */
unsigned long long grid_write_id(const grid_write *write);

/* As grid_file_replace or grid_file_remove returned. */
bool grid_write_succeeded(const grid_write *write, grid_error *err);

void grid_write_free(grid_write *write);

#endif
