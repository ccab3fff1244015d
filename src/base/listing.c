#include "base/listing.h"

#include "base/status.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

bool grid_listing_open(grid_listing *listing, const char *path, grid_error *err)
{
    listing->stream = opendir(path);
    return listing->stream || grid_error_not_read(err, path);
}

void grid_listing_close(grid_listing *listing)
{
    if (listing->stream)
        closedir(listing->stream);
    listing->stream = NULL;
}

bool grid_listing_next(grid_listing *listing, const char *path, const char **name, grid_error *err)
{
    const struct dirent *entry;

    errno = 0;
    entry = readdir(listing->stream);
    *name = entry ? entry->d_name : NULL;
    return entry || errno == 0 || grid_error_not_read(err, path);
}

bool grid_listing_file_modified(const grid_listing *listing, const char *name, double *seconds)
{
    struct stat status;

    if (fstatat(dirfd(listing->stream), name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return false;
    *seconds = grid_status_seconds(status.st_mtim);
    return true;
}

bool grid_listing_modified(const grid_listing *listing, const char *path, double *seconds, grid_error *err)
{
    struct stat status;

    if (fstat(dirfd(listing->stream), &status) != 0)
        return grid_error_not_read(err, path);
    *seconds = grid_status_seconds(status.st_mtim);
    return true;
}
