/* Replaces whole files atomically.
 *
 * Owns: a new file (0600) in the folder of the old one, until the replacement is
 * committed (rename) or cleared (unlink).
 * Does not know: the content, and locks of the caller. Allocates no memory. All functions
 * fail with kind "store", most with the text of strerror. grid_replacement_begin fails if
 * the file could not be replaced later, as far as that can be checked, before a caller
 * uses a token that it could not save, and allocates the space on the disk: code
 * "not_written"; or "hard_linked": the file has other names, which would keep the old
 * content. Only regular files are replaced, and keep their owner. */
#ifndef GRID_BASE_REPLACEMENT_H
#define GRID_BASE_REPLACEMENT_H

#include "base/error.h"
#include "base/slice.h"

#include <limits.h>

typedef struct grid_replacement {
    char target[PATH_MAX];
    char temporary[PATH_MAX]; /* empty once renamed */
    unsigned forks;           /* see grid_fork_count: a forked child does not remove the file */
    int fd;                   /* negative once closed */
} grid_replacement;

/* A symbolic link is followed: its target is replaced, not the link. */
bool grid_replacement_begin(grid_replacement *replacement, const char *path, grid_error *err);

/* Writes the bytes to the new file. Called once. */
bool grid_replacement_write(grid_replacement *replacement, grid_slice bytes, grid_error *err);

typedef struct grid_replacement_result {
    bool is_synced, is_replaced; /* the steps that are done */
    bool is_durable;             /* all steps are done */
    grid_error error;            /* of the first failed step */
} grid_replacement_result;

/* Replaces files whose content was written. All files are synced before the first is
 * renamed, and the folders after the last, so after a loss of power each file is the old
 * or the new one, never an empty one. Code "not_durable": the file was replaced, but a
 * loss of power may undo that. */
void grid_replacements_commit(grid_replacement *const replacements[], size_t count, grid_replacement_result results[]);

/* Removes the new file unless it was committed. */
void grid_replacement_clear(grid_replacement *replacement);

/* Writes all of the bytes to a descriptor. False, with errno. */
bool grid_replacement_write_to(int fd, grid_slice bytes);

#endif
