/* A lock on a file (flock): one holder at a time, in all processes of the machine, and of
 * other machines where the file system has locks (NFS, SMB).
 *
 * Owns: the descriptor that holds the lock. The system releases the lock when the process
 * ends.
 * Does not know: what the lock protects. A lock does not keep the file from being read,
 * written or replaced. */
#ifndef GRID_BASE_LOCK_H
#define GRID_BASE_LOCK_H

#include "base/error.h"

#include <sys/types.h>

typedef struct grid_lock {
    int fd;      /* negative: not held */
    pid_t owner; /* a child that was forked since has the descriptor too */
} grid_lock;

typedef enum grid_lock_mode {
    GRID_LOCK_EXISTING, /* the file must be there */
    GRID_LOCK_CREATE    /* a file that is not there is created, 0600 */
} grid_lock_mode;

/* Tries to take the lock on the file at `path`, without waiting. A symbolic link is
 * followed. Fails with kind "store": "busy" (the lock is held), "not_found", "not_locked"
 * (the system cannot lock the file). The lock holds for the file that has that name once
 * the lock is taken. */
bool grid_lock_take(grid_lock *lock, const char *path, grid_lock_mode mode, grid_error *err);

/* In a child of the process that took it the lock stays held. */
void grid_lock_release(grid_lock *lock);

#endif
