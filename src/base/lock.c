#include "base/lock.h"

#include "base/fork.h"
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The NFS client implements flock by a byte-range lock, which requires a writable
 * descriptor. A file without write permission is opened for reading, which suffices on
 * other file systems. */
static int open_to_lock(const char *path, grid_lock_mode mode)
{
    int creation = mode == GRID_LOCK_NEW ? O_CREAT | O_EXCL : 0;
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | creation, 0600);

    if (fd < 0 && errno == EACCES && !creation)
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return grid_standard_above(fd);
}

/* Over NFS, a file that another machine has replaced may keep its name in this machine's
 * cache for some time: the link count is read after the file is locked. */
static bool is_current(int fd, const char *path, struct stat *opened)
{
    struct stat named;

    if (fstat(fd, opened) != 0 || opened->st_nlink == 0)
        return false;
    return !path || (stat(path, &named) == 0 && named.st_dev == opened->st_dev && named.st_ino == opened->st_ino);
}

static bool flock_now(int fd)
{
    int result;

    do
        result = flock(fd, LOCK_EX | LOCK_NB);
    while (result != 0 && errno == EINTR);
    return result == 0;
}

static bool busy(grid_error *err, const char *path)
{
    return grid_error_set(err, GRID_STORE, "busy", "%.120s is locked by another process: wait until it has ended", path);
}

int grid_lock_open(const char *path, grid_lock_mode mode, grid_error *err)
{
    int fd = open_to_lock(path, mode);
    int why = errno;

    if (fd < 0)
        grid_error_set(err, GRID_STORE, why == ENOENT ? "not_found" : "not_locked", "cannot open %.120s: %s", path,
                       strerror(why));
    errno = why;
    return fd;
}

static grid_lock_result cannot_lock(grid_error *err, const char *path)
{
    const char *remedy = errno == EBADF ? "the file must be writable to be locked over NFS"
                                        : "move it to a file system with locks, so that one process at a time replaces it";

    if (errno == EWOULDBLOCK) {
        busy(err, path);
        return GRID_LOCK_BUSY;
    }
    grid_error_set(err, GRID_STORE, "not_locked", "cannot lock %.90s: %.40s; %s", path, strerror(errno), remedy);
    return GRID_LOCK_FAILED;
}

grid_lock_result grid_lock_opened(int fd, const char *path, struct stat *status, grid_error *err)
{
    const char *name = path ? path : "a new file";

    if (!flock_now(fd))
        return cannot_lock(err, name);
    if (is_current(fd, path, status))
        return GRID_LOCK_TAKEN;
    grid_error_set(err, GRID_STORE, "replaced", "%.120s was replaced before it was locked", name);
    return GRID_LOCK_REPLACED;
}

enum { TRIES = 100 };

/* If the file was replaced or removed before it was locked, the lock is on the old file,
 * and the new file is locked instead. */
bool grid_lock_take(grid_lock *lock, const char *path, grid_error *err)
{
    grid_lock_result result = GRID_LOCK_REPLACED;
    struct stat status;

    lock->forks = grid_fork_count();
    for (int tries = 0; tries < TRIES && result == GRID_LOCK_REPLACED; tries++) {
        lock->fd = grid_lock_open(path, GRID_LOCK_EXISTING, err);
        if (lock->fd < 0)
            return false;
        result = grid_lock_opened(lock->fd, path, &status, err);
        if (result == GRID_LOCK_TAKEN)
            return true;
        close(lock->fd);
        lock->fd = -1;
    }
    return result == GRID_LOCK_REPLACED ? busy(err, path) : false;
}

/* LOCK_UN is required, since close() would leave the lock to a child that has the
 * descriptor open. */
void grid_lock_release(grid_lock *lock)
{
    if (lock->fd < 0)
        return;
    if (lock->forks == grid_fork_count())
        flock(lock->fd, LOCK_UN);
    close(lock->fd);
    lock->fd = -1;
}
