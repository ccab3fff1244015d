/* A reserve is a file that has space on the disk for the next content of another file: a
 * replacement that is written into it succeeds although the disk has become full.
 *
 * Owns: the names of reserves. A reserve belongs to no process: the next writer of the
 * other file takes it.
 * Does not know: the content of files. Allocates no memory. */
#ifndef GRID_BASE_RESERVE_H
#define GRID_BASE_RESERVE_H

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* The path in `folder` of the reserve for the file at `path`. False: it is too long. */
bool grid_reserve_path(const char *folder, const char *path, char reserve[PATH_MAX]);

/* Creates the reserve, 0600, with space for so many bytes; enlarges one that exists. A
 * file system that cannot allocate space in advance gets an empty file. Kind "store",
 * code "not_written". */
bool grid_reserve_make(const char *reserve, size_t bytes, grid_error *err);

/* Opens and locks the reserve, to be written from its beginning; it may have an old
 * content. Negative: there is none, or another writer has it. */
int grid_reserve_take(const char *reserve);

/* Allocates space for so many bytes, without a change of the file's size. False, with
 * errno, if the disk or a quota is full; a file system that cannot allocate in advance is
 * no failure. */
bool grid_reserve_allocate(int fd, size_t bytes);

/* Is a file of that name a reserve which a writer may still take? */
bool grid_reserve_is_kept(const char *name, const struct stat *status);

#endif
