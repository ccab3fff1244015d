/* The replacement of one file of a test, from begin to commit.
 *
 * Owns: nothing after the call. Does not know: the order of the steps. */
#ifndef GRID_SPEC_REPLACE_H
#define GRID_SPEC_REPLACE_H

#include "base/replacement.h"

#include <string.h>

static inline bool replace_file(const char *path, const char *text, grid_error *err)
{
    grid_replacement replacement;
    grid_replacement *const all[] = {&replacement};
    grid_replacement_result result = {.is_durable = false};

    if (!grid_replacement_begin(&replacement, path, err))
        return false;
    if (grid_replacement_write(&replacement, (grid_slice){text, strlen(text)}, &result.error))
        grid_replacements_commit(all, 1, &result);
    grid_replacement_clear(&replacement);
    *err = result.error;
    return result.is_durable;
}

#endif
