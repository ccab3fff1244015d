#include "base/status.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

bool grid_status_exists(const char *path, bool *exists, grid_error *err)
{
    struct stat status;

    *exists = lstat(path, &status) == 0;
    return *exists || errno == ENOENT || errno == ENOTDIR || grid_error_not_read(err, path);
}

bool grid_status_modified(const char *path, double *seconds, grid_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return grid_error_not_read(err, path);
    *seconds = grid_status_seconds(status.st_mtim);
    return true;
}

bool grid_status_stamp(const char *path, char stamp[GRID_STAMP_SIZE], double *changed, grid_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return grid_error_not_read(err, path);
    snprintf(stamp, GRID_STAMP_SIZE, "%llx.%llx.%llx.%llx.%lx", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino, (unsigned long long)status.st_size,
             (unsigned long long)status.st_ctim.tv_sec, (unsigned long)status.st_ctim.tv_nsec);
    *changed = grid_status_seconds(status.st_ctim);
    return true;
}
