#define _GNU_SOURCE /* mkostemp, sync_file_range */

#include "base/replacement.h"

#include "base/folder.h"
#include "base/fork.h"
#include "base/reserve.h"
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool failed(grid_error *err, const char *what, const char *path)
{
    return grid_error_of_file(err, "not_written", what, path);
}

/* The path without symbolic links. The file may be missing; a link to a missing file is
 * refused. */
static bool resolve(const char *path, char target[PATH_MAX])
{
    struct stat status;

    if (realpath(path, target))
        return true;
    if (errno != ENOENT || lstat(path, &status) == 0 || !path[0])
        return false;
    return snprintf(target, PATH_MAX, "%s", path) < PATH_MAX;
}

static bool refuse(int why)
{
    errno = why;
    return false;
}

/* In a sticky folder, such as /tmp, only the owner of a file or of the folder may replace
 * it. */
static bool is_guarded(const char *target, const struct stat *old)
{
    char folder[PATH_MAX];
    struct stat parent;

    return geteuid() != 0 && old->st_uid != geteuid() && stat(grid_folder_of(target, folder), &parent) == 0 &&
           (parent.st_mode & S_ISVTX) && parent.st_uid != geteuid();
}

/* A file that is a mount point, as in a container, cannot be replaced. */
static bool is_mounted(const char *target)
{
#ifdef STATX_ATTR_MOUNT_ROOT
    struct statx status;

    return statx(AT_FDCWD, target, 0, STATX_BASIC_STATS, &status) == 0 && (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
#else
    (void)target;
    return false;
#endif
}

static bool may_replace(const char *target, const struct stat *old)
{
    if (S_ISDIR(old->st_mode))
        return refuse(EISDIR);
    if (is_guarded(target, old))
        return refuse(EPERM);
    return !is_mounted(target) || refuse(EBUSY);
}

/* A folder is refused by may_replace. */
static bool is_file(const struct stat *old, const char *path, grid_error *err)
{
    return S_ISREG(old->st_mode) || S_ISDIR(old->st_mode) ||
           grid_error_set(err, GRID_STORE, "not_written", "cannot replace %.90s: it is not a regular file", path);
}

/* A file with hard links is refused, since only one of its names would get the new
 * content. */
static bool has_one_name(const struct stat *old, const char *path, grid_error *err)
{
    return old->st_nlink <= 1 ||
           grid_error_set(err, GRID_STORE, "hard_linked",
                          "cannot replace %.90s: it has %lu hard links, and the others would keep what is in it; "
                          "use symbolic links",
                          path, (unsigned long)old->st_nlink);
}

/* mkostemp creates it 0600, and fails if the name exists. Programs that this process
 * executes do not inherit the descriptor. */
static bool create(grid_replacement *replacement)
{
    int fd = mkostemp(replacement->temporary, O_CLOEXEC);

    if (fd < 0)
        return false;
    replacement->fd = grid_standard_above(fd);
    if (replacement->fd < 0)
        unlink(replacement->temporary);
    return replacement->fd >= 0;
}

static bool name_temporary(grid_replacement *replacement)
{
    static const char suffix[] = ".XXXXXX";
    size_t length = strlen(replacement->target);

    if (length + sizeof suffix > sizeof replacement->temporary)
        return refuse(ENAMETOOLONG);
    memcpy(replacement->temporary, replacement->target, length);
    memcpy(replacement->temporary + length, suffix, sizeof suffix);
    return true;
}

enum { MORE = 8192 }; /* bytes by which the new content may be longer */

/* The space is allocated before the caller uses a token whose answer it must save. */
static bool allocate(grid_replacement *replacement, size_t old_size)
{
    int why;

    if (grid_reserve_allocate(replacement->fd, old_size + MORE))
        return true;
    why = errno;
    grid_replacement_clear(replacement);
    return refuse(why);
}

bool grid_replacement_begin(grid_replacement *replacement, const char *path, grid_error *err)
{
    struct stat old;
    bool is_there;

    replacement->temporary[0] = '\0';
    replacement->fd = -1;
    replacement->forks = grid_fork_count();
    if (!resolve(path, replacement->target))
        return failed(err, "cannot write", path);
    is_there = stat(replacement->target, &old) == 0;
    if (is_there && !may_replace(replacement->target, &old))
        return failed(err, "cannot replace", path);
    if (is_there && (!is_file(&old, path, err) || !has_one_name(&old, path, err)))
        return false;
    if (!name_temporary(replacement) || !create(replacement)) {
        replacement->temporary[0] = '\0';
        return failed(err, "cannot write", path);
    }
    if (!allocate(replacement, is_there ? (size_t)old.st_size : 0))
        return failed(err, "cannot write", path);
    if (is_there && fchown(replacement->fd, old.st_uid, old.st_gid) != 0)
        errno = 0; /* not permitted: the file belongs to the user of this process */
    return true;
}

bool grid_replacement_write_to(int fd, grid_slice bytes)
{
    while (bytes.size) {
        ssize_t written = write(fd, bytes.data, bytes.size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        bytes.data += written;
        bytes.size -= (size_t)written;
    }
    return true;
}

/* Starts writeback, so that the blocks of many files are allocated before the first
 * fsync. The file system then commits its journal once for all of them. */
static void start_to_sync(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
#endif
}

/* ftruncate releases the space that is not needed. */
bool grid_replacement_write(grid_replacement *replacement, grid_slice bytes, grid_error *err)
{
    if (!grid_replacement_write_to(replacement->fd, bytes) || ftruncate(replacement->fd, (off_t)bytes.size) != 0)
        return failed(err, "cannot write", replacement->target);
    start_to_sync(replacement->fd);
    return true;
}

static bool sync_and_close(grid_replacement *replacement, grid_error *err)
{
    bool synced = fsync(replacement->fd) == 0;
    int fd = replacement->fd;

    replacement->fd = -1;
    return (close(fd) == 0 && synced) || failed(err, "cannot write", replacement->target);
}

static bool rename_over(grid_replacement *replacement, grid_error *err)
{
    if (rename(replacement->temporary, replacement->target) != 0)
        return failed(err, "cannot replace", replacement->target);
    replacement->temporary[0] = '\0';
    return true;
}

static bool share_folder(const grid_replacement *one, const grid_replacement *other)
{
    char folder[PATH_MAX], other_folder[PATH_MAX];

    return strcmp(grid_folder_of(one->target, folder), grid_folder_of(other->target, other_folder)) == 0;
}

/* Syncs the folder of a replaced file, unless it was synced for an earlier file. */
static void sync_folder_of(grid_replacement *const replacements[], size_t at, grid_replacement_result results[])
{
    char folder[PATH_MAX];
    size_t i;

    for (i = 0; i < at; i++) {
        if (results[i].is_replaced && share_folder(replacements[i], replacements[at])) {
            results[at] = results[i];
            return;
        }
    }
    results[at].is_durable = grid_folder_sync(grid_folder_of(replacements[at]->target, folder), &results[at].error);
}

void grid_replacements_commit(grid_replacement *const replacements[], size_t count, grid_replacement_result results[])
{
    size_t i;

    memset(results, 0, count * sizeof *results);
    for (i = 0; i < count; i++)
        results[i].is_synced = sync_and_close(replacements[i], &results[i].error);
    for (i = 0; i < count; i++)
        results[i].is_replaced = results[i].is_synced && rename_over(replacements[i], &results[i].error);
    for (i = 0; i < count; i++)
        if (results[i].is_replaced)
            sync_folder_of(replacements, i, results);
}

void grid_replacement_clear(grid_replacement *replacement)
{
    if (replacement->fd >= 0)
        close(replacement->fd);
    replacement->fd = -1;
    if (replacement->temporary[0] && replacement->forks == grid_fork_count())
        unlink(replacement->temporary);
    replacement->temporary[0] = '\0';
}
