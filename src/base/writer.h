/* The writer changes files by compare-and-set, on threads of its own, so that an event
 * loop does not wait for the disk.
 *
 * Owns: the threads, from the first writes until the writer is freed; and the queue.
 * Does not know: the content of files, and the poller of the descriptor. One thread does
 * the writes in the order of submission; several begin in that order. In a child of the
 * process that made the writer, the writer is inert, since fork() copies no thread. */
#ifndef GRID_BASE_WRITER_H
#define GRID_BASE_WRITER_H

#include "base/error.h"
#include "base/slice.h"
#include "base/swap.h"

#include <stdbool.h>

typedef struct grid_writer grid_writer;
typedef struct grid_write grid_write;

enum { GRID_WRITER_MOST_THREADS = 8 };

/* A thread is started by a write that finds all others busy, up to `most_threads`, from 1
 * to GRID_WRITER_MOST_THREADS. Fails with kind "request": "out_of_memory",
 * "no_descriptor". */
grid_writer *grid_writer_new(unsigned most_threads, grid_error *err);

/* Waits until the submitted writes are done, so that their bytes reach the disk. The
 * results are dropped; a grid_write must not be used afterwards. */
void grid_writer_free(grid_writer *writer);

/* False in a child of the process that made the writer. */
bool grid_writer_is_ours(const grid_writer *writer);

/* Readable while a finished write has not been taken. */
int grid_writer_fd(const grid_writer *writer);

/* Submits grid_swap_replace or grid_swap_remove; all bytes are copied. The write
 * belongs to the writer until grid_writer_take_finished returns it. Fails with kind
 * "request": "out_of_memory", "no_thread", "forked". */
grid_write *grid_writer_replace_if(grid_writer *writer, const grid_swap *swap, grid_error *err);
grid_write *grid_writer_remove_if(grid_writer *writer, const char *path, grid_slice expected, grid_error *err);

/* Removes the oldest write from the queue of finished writes; NULL: none. The caller
 * frees it. */
grid_write *grid_writer_take_finished(grid_writer *writer);

/* The number of a write, counted from 1 for each writer. */
unsigned long long grid_write_id(const grid_write *write);

grid_swap_result grid_write_result(const grid_write *write, grid_error *err);

void grid_write_free(grid_write *write);

#endif
