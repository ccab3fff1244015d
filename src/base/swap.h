/* Compare-and-set of files: creates, replaces or removes a file durably, and only if the
 * old file begins with the expected bytes. Atomic among all processes that use these
 * functions.
 *
 * Owns: during a call, the temporary file, and the lock on the old file.
 * Does not know: the content of files. Allocates no memory. All functions fail with kind
 * "store": "not_written", "not_removed", "not_read"; "busy": another process held the
 * lock for a second; "not_durable": the file was changed, but a loss of power may undo
 * that. */
#ifndef GRID_BASE_SWAP_H
#define GRID_BASE_SWAP_H

#include "base/error.h"
#include "base/slice.h"

enum { GRID_SWAP_EXPECTED_SIZE = 256 }; /* the longest beginning that is compared */

typedef enum grid_swap_result {
    GRID_SWAP_FAILED,   /* the file was changed only if the code is "not_durable" */
    GRID_SWAP_CONFLICT, /* the old file differs, and was not changed */
    GRID_SWAP_DONE
} grid_swap_result;

typedef struct grid_swap {
    const char *path;
    const char *temporary_folder; /* on the same file system; contains only temporary files */
    grid_slice expected;          /* data is NULL: no file must exist */
    grid_slice bytes;             /* the new content */
    double modified;              /* the new modification time, seconds since 1970 */
    bool sweeps;                  /* first removes temporary files of ended writers */
    size_t reserve_size;          /* bytes of the reserve that is left for the next replacement; 0: none */
} grid_swap;

/* The new file has mode 0600. The temporary file is locked. It is the reserve that the
 * last replacement left (see reserve.h), unless this one leaves a reserve itself; else it
 * has the pid in its name. */
grid_swap_result grid_swap_replace(const grid_swap *swap, grid_error *err);

/* A missing file is a conflict. */
grid_swap_result grid_swap_remove(const char *path, grid_slice expected, grid_error *err);

#endif
