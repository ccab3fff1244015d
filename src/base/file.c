#define _GNU_SOURCE /* mkostemp, sync_file_range */

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
    int lock;    /* a descriptor of the old file, locked; negative: there is none */
};

static bool failed_as(grid_error *err, const char *code, const char *what, const char *path)
{
    return grid_error_set(err, GRID_STORE, code, "%s %.120s: %s", what, path, strerror(errno));
}

static bool failed(grid_error *err, const char *what, const char *path)
{
    return failed_as(err, "not_written", what, path);
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

/* Over NFS the client makes a byte-range lock of flock's, which takes a descriptor that
 * may write. A file that may only be read is locked through a descriptor that reads:
 * elsewhere that works. */
static int open_to_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && errno == EACCES)
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? fd : above_standard(fd);
}

/* Over NFS a file that another machine has replaced may keep its name for a while in what
 * this one remembers: its count of links is asked for anew once it is locked. */
static bool is_still(const char *path, const struct stat *opened)
{
    struct stat named;

    return opened->st_nlink > 0 && stat(path, &named) == 0 && named.st_dev == opened->st_dev && named.st_ino == opened->st_ino;
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
    return grid_error_set(err, GRID_STORE, "busy", "another process is replacing %.120s: wait until it has ended", path);
}

static bool not_locked(grid_error *err, const char *path)
{
    const char *remedy = errno == EBADF ? "the file must be writable to be locked over NFS"
                                        : "move it to a file system with locks, so that one process at a time replaces it";

    if (errno == EWOULDBLOCK)
        return busy(err, path);
    return grid_error_set(err, GRID_STORE, "not_locked", "cannot lock %.90s: %.40s; %s", path, strerror(errno), remedy);
}

/* Only one of its names would get the new content. */
static bool has_one_name(const struct stat *opened, const char *path, grid_error *err)
{
    return opened->st_nlink == 1 ||
           grid_error_set(err, GRID_STORE, "hard_linked",
                          "cannot replace %.90s: it has %lu hard links, and the others would keep what is in it; "
                          "use symbolic links",
                          path, (unsigned long)opened->st_nlink);
}

enum { LOCK_TRIES = 100 };

/* Another process that begins the same file is refused until this file is freed. A file
 * that is replaced before its lock is there leaves it worthless: the new one is locked
 * then. */
static bool lock(grid_file *file, const char *path, grid_error *err)
{
    struct stat opened;
    int tries;

    for (tries = 0; tries < LOCK_TRIES; tries++) {
        file->lock = open_to_lock(file->target);
        if (file->lock < 0)
            return failed(err, "cannot open", path);
        if (!flock_now(file->lock))
            return not_locked(err, path);
        if (fstat(file->lock, &opened) == 0 && is_still(file->target, &opened))
            return has_one_name(&opened, path, err);
        close(file->lock);
    }
    file->lock = -1;
    return busy(err, path);
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
    if (is_there && !lock(file, path, err))
        return false;
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

enum { CHUNK = 4096 };

bool grid_file_read(const grid_file *file, size_t limit, grid_buffer *out, grid_error *err)
{
    ssize_t got = 1;

    if (file->lock < 0) {
        errno = ENOENT;
        return failed_as(err, "not_read", "cannot read", file->target);
    }
    while (got != 0 && out->size < limit) {
        size_t size = limit - out->size < CHUNK ? limit - out->size : CHUNK;

        if (!grid_buffer_reserve(out, size, err))
            return false;
        got = pread(file->lock, out->data + out->size, size, (off_t)out->size);
        if (got < 0 && errno != EINTR)
            return failed_as(err, "not_read", "cannot read", file->target);
        out->size += got > 0 ? (size_t)got : 0;
    }
    return true;
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

/* The blocks of many files are allocated before the first of them is waited for: then the
 * file system commits its journal once for all of them. */
static void start_to_sync(int fd)
{
#ifdef SYNC_FILE_RANGE_WRITE
    sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
#endif
}

bool grid_file_write(grid_file *file, grid_slice bytes, grid_error *err)
{
    if (!write_all(file->fd, bytes))
        return failed(err, "cannot write", file->target);
    start_to_sync(file->fd);
    return true;
}

static bool sync_and_close(grid_file *file, grid_error *err)
{
    bool synced = fsync(file->fd) == 0;
    int fd = file->fd;

    file->fd = -1;
    return (close(fd) == 0 && synced) || failed(err, "cannot write", file->target);
}

static bool replace(grid_file *file, grid_error *err)
{
    if (rename(file->temporary, file->target) != 0)
        return failed(err, "cannot replace", file->target);
    file->temporary[0] = '\0';
    return true;
}

/* EINVAL: this file system has nothing to sync in a folder. */
static bool sync_folder(const char *folder, grid_error *err)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);

    if (fd >= 0)
        close(fd);
    return synced || failed_as(err, "not_durable", "cannot bring to the disk the folder", folder);
}

static bool share_folder(const grid_file *one, const grid_file *other)
{
    char folder[PATH_MAX], other_folder[PATH_MAX];

    return strcmp(parent_of(one->target, folder), parent_of(other->target, other_folder)) == 0;
}

/* The folder of a file that was replaced, once for all files before it. */
static void sync_folder_of(grid_file *const files[], size_t at, grid_file_result results[])
{
    char folder[PATH_MAX];
    size_t i;

    for (i = 0; i < at; i++) {
        if (results[i].is_replaced && share_folder(files[i], files[at])) {
            results[at] = results[i];
            return;
        }
    }
    results[at].is_durable = sync_folder(parent_of(files[at]->target, folder), &results[at].error);
}

void grid_files_commit(grid_file *const files[], size_t count, grid_file_result results[])
{
    size_t i;

    memset(results, 0, count * sizeof *results);
    for (i = 0; i < count; i++)
        results[i].is_synced = sync_and_close(files[i], &results[i].error);
    for (i = 0; i < count; i++)
        results[i].is_replaced = results[i].is_synced && replace(files[i], &results[i].error);
    for (i = 0; i < count; i++)
        if (results[i].is_replaced)
            sync_folder_of(files, i, results);
}

bool grid_file_commit(grid_file *file, grid_slice bytes, grid_error *err)
{
    grid_file_result result;

    if (!grid_file_write(file, bytes, err))
        return false;
    grid_files_commit(&file, 1, &result);
    if (!result.is_durable)
        *err = result.error;
    return result.is_durable;
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
