#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *grid_folder_of(const char *path, char folder[PATH_MAX])
{
    char *slash;

    snprintf(folder, PATH_MAX, "%s", path);
    slash = strrchr(folder, '/');
    if (!slash)
        return ".";
    slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

/* EINVAL: the file system does not support fsync of a folder. */
bool grid_folder_sync(const char *folder, grid_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);

    if (!synced)
        grid_error_of_file(err, "not_durable", "cannot sync the folder", folder);
    if (fd >= 0)
        close(fd);
    return synced;
}

/* What root makes in a folder is given to its owner, who could not use it otherwise. If
 * that is not permitted, it belongs to root. */
static bool is_for_owner(const char *folder, struct stat *status)
{
    return geteuid() == 0 && stat(folder, status) == 0 && (status->st_uid != 0 || status->st_gid != getegid());
}

static void give_folder_to_owner(const char *path, const char *parent)
{
    struct stat status;

    if (is_for_owner(parent, &status) && lchown(path, status.st_uid, status.st_gid) != 0)
        errno = 0;
}

void grid_folder_give_to_owner(int fd, const char *path)
{
    char folder[PATH_MAX];
    struct stat status;

    if (is_for_owner(grid_folder_of(path, folder), &status) && fchown(fd, status.st_uid, status.st_gid) != 0)
        errno = 0;
}

bool grid_folder_make(const char *path, grid_error *err)
{
    char parent[PATH_MAX];

    if (mkdir(path, 0700) != 0)
        return errno == EEXIST || grid_error_of_file(err, "not_made", "cannot make the folder", path);
    give_folder_to_owner(path, grid_folder_of(path, parent));
    return true;
}

static bool not_private(grid_error *err, const char *path, const char *why)
{
    return grid_error_set(err, GRID_STORE, "not_private", "the folder %.100s is refused: %s", path, why);
}

bool grid_folder_check(const char *path, grid_error *err)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return grid_error_of_file(err, errno == ENOENT ? "not_found" : "not_read", "cannot read the folder", path);
    if (!S_ISDIR(status.st_mode)) {
        errno = ENOTDIR;
        return grid_error_of_file(err, "not_read", "cannot read the folder", path);
    }
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return not_private(err, path, "other users may write to it; remove that permission (chmod go-w)");
    if (status.st_uid != 0 && status.st_uid != geteuid() && geteuid() != 0)
        return not_private(err, path, "it belongs to another user; chown gives it to the user of this process");
    return true;
}
