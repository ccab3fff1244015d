/* A lock on a file (flock): one holder at a time among all processes of the machine, and
 * of other machines if the file system has locks (NFS, SMB).
 *
 * Owns: the descriptor of the lock. The kernel releases the lock when the process ends.
 * Does not know: the data that the lock protects. The lock is advisory: it does not
 * prevent reads, writes or a replacement of the file. */
#ifndef GRID_BASE_LOCK_H
#define GRID_BASE_LOCK_H

#include "base/error.h"

#include <sys/stat.h>

typedef struct grid_lock {
    int fd;      /* negative: not held */
    unsigned forks; /* see grid_fork_count: a forked child has the descriptor, too */
} grid_lock;

/* Tries to take the lock on the file at `path`, without waiting. A symbolic link is
 * followed. Fails with kind "store": "busy" (the lock is held), "not_found", "not_locked"
 * (the system cannot lock the file). On success, the locked file is the one at `path`. */
bool grid_lock_take(grid_lock *lock, const char *path, grid_error *err);

typedef enum grid_lock_mode {
    GRID_LOCK_EXISTING, /* the file must exist */
    GRID_LOCK_NEW       /* the file must not exist, and is created, 0600 */
} grid_lock_mode;

/* The two steps of grid_lock_take, for a lock that is released within the same call.
 * Opens the file; the result is negative on failure, with errno: "not_found",
 * "not_locked". */
int grid_lock_open(const char *path, grid_lock_mode mode, grid_error *err);

typedef enum grid_lock_result {
    GRID_LOCK_FAILED,   /* "not_locked": the system cannot lock the file */
    GRID_LOCK_BUSY,     /* "busy": the lock is held */
    GRID_LOCK_REPLACED, /* "replaced": the file at `path` is another one now */
    GRID_LOCK_TAKEN
} grid_lock_result;

/* Tries to lock the opened file. Any result but GRID_LOCK_TAKEN is a failure of kind
 * "store". The caller closes the descriptor in each case. NULL for `path`: the file
 * cannot have been replaced, only removed. */
grid_lock_result grid_lock_opened(int fd, const char *path, struct stat *status, grid_error *err);

/* In a child of the process that took the lock, the lock stays held by the parent. */
void grid_lock_release(grid_lock *lock);

#endif
