/* Compare-and-swap of files: a file is created, replaced or removed only if the old one
 * begins with the expected bytes, durably, between all processes that use these
 * functions.
 *
 * Owns: during a call, the temporary file, and the lock on the old file.
 * Does not know: what is in the files. Allocates no memory. All fail with kind "store":
 * "not_written", "not_removed", "not_read"; "busy": another process held the lock for a
 * second; "not_durable": it was done, but a loss of power may undo it. */
#ifndef GRID_BASE_SWAP_H
#define GRID_BASE_SWAP_H

#include "base/error.h"
#include "base/slice.h"

enum { GRID_SWAP_EXPECTED_SIZE = 256 }; /* the longest beginning that is compared */

typedef enum grid_swap_result {
    GRID_SWAP_FAILED,   /* of the codes only "not_durable" means that the file was changed */
    GRID_SWAP_CONFLICT, /* the old file was another one; it was left as it is */
    GRID_SWAP_DONE
} grid_swap_result;

typedef struct grid_swap {
    const char *path;
    const char *temporary_folder; /* on the same file system, for this purpose alone */
    grid_slice expected;          /* data is NULL: there must be no file */
    grid_slice bytes;             /* the new content */
    double modified;              /* becomes the time of modification, since 1970 */
} grid_swap;

/* The new file is 0600. The temporary file is locked and has the pid in its name; those
 * of writers that have died are removed first. */
grid_swap_result grid_file_replace_if(const grid_swap *swap, grid_error *err);

/* No file is a conflict. */
grid_swap_result grid_file_remove_if(const char *path, grid_slice expected, grid_error *err);

#endif
