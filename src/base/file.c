#define _GNU_SOURCE /* mkostemp, syncfs */

#include "base/file.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct grid_file {
    char target[PATH_MAX];
    char temporary[PATH_MAX];
    pid_t owner; /* a child that was forked meanwhile has the descriptor, but not the file */
    int fd;      /* negative once closed */
    int lock;    /* a descriptor of the old file; negative: there is none, or it cannot be locked */
};

static bool failed(grid_error *err, const char *what, const char *path)
{
    return grid_error_set(err, GRID_STORE, "not_written", "%s %.120s: %s", what, path, strerror(errno));
}

static const char *parent_of(const char *path, char folder[PATH_MAX])
{
    char *slash;

    snprintf(folder, PATH_MAX, "%s", path);
    slash = strrchr(folder, '/');
    if (!slash)
        return ".";
    slash[slash == folder ? 1 : 0] = '\0';
    return folder;
}

/* Where a symbolic link leads; a file that is not there yet is itself. A link that leads nowhere is refused. */
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

/* Where a folder is everybody's (sticky), only the owner of a file or of the folder replaces it. */
static bool is_guarded(const char *target, const struct stat *old)
{
    char folder[PATH_MAX];
    struct stat parent;

    return geteuid() != 0 && old->st_uid != geteuid() && stat(parent_of(target, folder), &parent) == 0 &&
           (parent.st_mode & S_ISVTX) && parent.st_uid != geteuid();
}

/* A file that was mounted by itself, as into a container, cannot be replaced. */
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
    if (!S_ISREG(old->st_mode))
        return refuse(EINVAL);
    if (is_guarded(target, old))
        return refuse(EPERM);
    return !is_mounted(target) || refuse(EBUSY);
}

/* Above what standard input, output and errors have, be they open or not: what goes there is not for the file. */
static int above_standard(int fd)
{
    int high = fd <= STDERR_FILENO ? fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : fd;

    if (high != fd)
        close(fd);
    return high;
}

/* mkostemp makes it 0600, and refuses what is there already. Programs that are started meanwhile do not get to see it. */
static bool create(grid_file *file)
{
    int fd = mkostemp(file->temporary, O_CLOEXEC);

    if (fd < 0)
        return false;
    file->fd = above_standard(fd);
    if (file->fd < 0)
        unlink(file->temporary);
    return file->fd >= 0;
}

static bool is_still(const char *path, int fd)
{
    struct stat named, opened;

    return stat(path, &named) == 0 && fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

enum { LOCK_TRIES = 100 };

/* Whoever else begins the same file is turned away meanwhile. The file may be replaced before its lock is there: then it is the new
 * one's that counts. False: somebody else has it. Where there is nothing to lock, or no way to, nobody is turned away. */
static bool lock(grid_file *file)
{
    int tries;

    for (tries = 0; tries < LOCK_TRIES; tries++) {
        int fd = open(file->target, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        if (fd < 0)
            return true;
        file->lock = above_standard(fd);
        if (file->lock < 0)
            return true;
        if (flock(file->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
            return false;
        if (is_still(file->target, file->lock))
            return true;
        close(file->lock);
    }
    file->lock = -1;
    return true;
}

static bool begin(grid_file *file, const char *path, grid_error *err)
{
    static const char suffix[] = ".XXXXXX";
    struct stat old;
    bool is_there;
    size_t length;

    file->lock = -1;
    if (!resolve(path, file->target))
        return failed(err, "cannot write", path);
    is_there = stat(file->target, &old) == 0;
    if (is_there && !may_replace(file->target, &old))
        return failed(err, "cannot replace", path);
    if (is_there && !lock(file))
        return grid_error_set(err, GRID_STORE, "busy", "somebody else is about to replace %.120s", path);
    length = strlen(file->target);
    if (length + sizeof suffix > sizeof file->temporary) {
        errno = ENAMETOOLONG;
        return failed(err, "cannot write", path);
    }
    memcpy(file->temporary, file->target, length);
    memcpy(file->temporary + length, suffix, sizeof suffix);
    file->owner = getpid();
    if (!create(file))
        return failed(err, "cannot write", path);
    if (is_there && fchown(file->fd, old.st_uid, old.st_gid) != 0)
        errno = 0; /* it becomes ours, then */
    return true;
}

grid_file *grid_file_begin(const char *path, grid_error *err)
{
    grid_file *file = grid_malloc(sizeof *file);

    if (!file) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    if (begin(file, path, err))
        return file;
    if (file->lock >= 0)
        close(file->lock);
    grid_free(file);
    return NULL;
}

static bool write_all(int fd, grid_slice bytes)
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

static bool sync_parent(const char *path)
{
    char folder[PATH_MAX];
    int fd = open(parent_of(path, folder), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done;

    if (fd < 0)
        return false;
    done = fsync(fd) == 0;
    close(fd);
    return done;
}

bool grid_file_commit(grid_file *file, grid_slice bytes, bool durable, grid_error *err)
{
    bool written = write_all(file->fd, bytes) && (!durable || fsync(file->fd) == 0);
    int fd = file->fd;

    file->fd = -1;
    if (close(fd) != 0 || !written)
        return failed(err, "cannot write", file->target);
    if (rename(file->temporary, file->target) != 0)
        return failed(err, "cannot replace", file->target);
    file->temporary[0] = '\0';
    if (durable && !sync_parent(file->target))
        return grid_error_set(err, GRID_STORE, "not_durable", "cannot make durable %.120s: %s", file->target, strerror(errno));
    return true;
}

void grid_file_free(grid_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        close(file->fd);
    if (file->temporary[0] && file->owner == getpid())
        unlink(file->temporary);
    if (file->lock >= 0)
        close(file->lock);
    grid_free(file);
}

bool grid_file_sync_folder(const char *folder, grid_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done;

    if (fd < 0)
        return failed(err, "cannot open", folder);
#ifdef __linux__
    done = syncfs(fd) == 0;
#else
    sync();
    done = true;
#endif
    close(fd);
    return done || failed(err, "cannot make durable", folder);
}
