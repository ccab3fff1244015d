/* The folder of a test that writes files.
 *
 * Owns: the folder, and the files that are left in it: each counts as a failed check and
 * is removed. The folder is below /tmp, which other users reach too. Does not know: what
 * is written there. */
#ifndef GRID_SPEC_FOLDER_H
#define GRID_SPEC_FOLDER_H

#include "check.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/grid-c-test.XXXXXX";

static inline bool folder_make(void)
{
    return CHECK(mkdtemp(folder) != NULL);
}

static inline void folder_remove(void)
{
    char path[PATH_MAX];
    DIR *entries = opendir(folder);

    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        CHECK_STR(entry->d_name, ""); /* no file is left */
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (entries)
        closedir(entries);
    CHECK(rmdir(folder) == 0);
}

#endif
