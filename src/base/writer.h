/* The writer commits files on a thread of its own, so that an event loop does not wait for
 * the disk.
 *
 * Owns: the thread, from the first write until the writer is freed; the queue; and each
 * file from grid_writer_start on.
 * Does not know: what is written, and what waits for it.
 * Writes are done in the order in which they were started. In a child of the process that
 * made it, a writer is inert: the thread was not forked. */
#ifndef GRID_BASE_WRITER_H
#define GRID_BASE_WRITER_H

#include "base/file.h"

typedef struct grid_writer grid_writer;
typedef struct grid_write grid_write;

/* Starts no thread yet. Fails with kind "request": "out_of_memory", "no_descriptor". */
grid_writer *grid_writer_new(grid_error *err);

/* Waits until the writes that were started are done: their bytes must reach the disk. The
 * results are dropped; a grid_write must not be used any more. */
void grid_writer_free(grid_writer *writer);

/* Readable while a finished write has not been taken. */
int grid_writer_fd(const grid_writer *writer);

/* Takes the file over, on failure too, and copies the bytes. The write belongs to the
 * writer until grid_writer_take_finished returns it. Fails with kind "request":
 * "out_of_memory", "no_thread", "forked". */
grid_write *grid_writer_start(grid_writer *writer, grid_file *file, grid_slice bytes,
                              grid_error *err);

/* A finished write, oldest first, or NULL. The caller frees it. */
grid_write *grid_writer_take_finished(grid_writer *writer);

/* As grid_file_commit. */
bool grid_write_succeeded(const grid_write *write, grid_error *err);

void grid_write_free(grid_write *write);

#endif
