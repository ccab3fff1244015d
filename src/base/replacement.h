/* Files that are replaced whole, or not at all.
 *
 * Owns: a new file (0600) beside the one that it replaces, until it is committed (rename,
 * atomic) or cleared (removed).
 * Does not know: what is written, and what else the caller has locked. Allocates no
 * memory. All fail with kind "store" and the system's own words. To begin fails where the
 * file could not be replaced later, as far as can be told, so that a caller spends
 * nothing that it cannot save: code "not_written"; or "hard_linked": the file has other
 * names, which would keep the old content. Only regular files are replaced, and keep
 * their owner. */
#ifndef GRID_BASE_REPLACEMENT_H
#define GRID_BASE_REPLACEMENT_H

#include "base/error.h"
#include "base/slice.h"

#include <limits.h>
#include <sys/types.h>

typedef struct grid_replacement {
    char target[PATH_MAX];
    char temporary[PATH_MAX]; /* empty once renamed */
    pid_t owner;              /* a child that was forked since leaves the file alone */
    int fd;                   /* negative once closed */
} grid_replacement;

/* `path` is followed if it is a symbolic link, so that the link stays one. */
bool grid_replacement_begin(grid_replacement *replacement, const char *path, grid_error *err);

/* Writes the bytes to the new file. Once. */
bool grid_replacement_write(grid_replacement *replacement, grid_slice bytes, grid_error *err);

typedef struct grid_replacement_result {
    bool is_synced, is_replaced; /* how far it came */
    bool is_durable;             /* all is done */
    grid_error error;            /* of the first step that failed */
} grid_replacement_result;

/* Replaces files whose content was written. After a loss of power each is the old or the
 * new one, never an empty one: all are synced before the first is renamed, and their
 * folders after the last. Code "not_durable": the file was replaced, but a loss of power
 * may undo that. */
void grid_replacements_commit(grid_replacement *const replacements[], size_t count, grid_replacement_result results[]);

/* Removes what was begun and not committed. */
void grid_replacement_clear(grid_replacement *replacement);

/* All of it for one file. Code "not_durable" as above. */
bool grid_file_replace(const char *path, grid_slice bytes, grid_error *err);

/* Writes all of the bytes to a descriptor. False, with errno. */
bool grid_write_all(int fd, grid_slice bytes);

/* Removes a file and syncs its folder. Codes "not_found", "not_removed", "not_durable"
 * (the file was removed, but a loss of power may bring it back). */
bool grid_file_remove(const char *path, grid_error *err);

#endif
