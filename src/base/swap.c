#include "base/swap.h"

#include "base/folder.h"
#include "base/fork.h"
#include "base/lock.h"
#include "base/replacement.h"
#include "base/reserve.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct temporary {
    char path[PATH_MAX]; /* empty after the rename, or if removed */
    int fd;              /* locked until the rename or link */
    bool is_reserve;
} temporary;

static grid_swap_result failed(grid_error *err, const char *code, const char *what, const char *path)
{
    grid_error_of_file(err, code, what, path);
    return GRID_SWAP_FAILED;
}

static grid_swap_result compare(int fd, const char *path, grid_slice expected, grid_error *err)
{
    char begin[GRID_SWAP_EXPECTED_SIZE];
    size_t size = expected.size < sizeof begin ? expected.size : sizeof begin;
    ssize_t got;

    do
        got = pread(fd, begin, size, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return failed(err, "not_read", "cannot read", path);
    return (size_t)got == expected.size && memcmp(begin, expected.data, size) == 0 ? GRID_SWAP_DONE : GRID_SWAP_CONFLICT;
}

/* Opens the old file if that begins as expected. A file is never changed in place, so
 * that the file is not compared again after it was locked. */
static grid_swap_result open_expected(int *fd, const grid_swap *swap, grid_error *err)
{
    grid_swap_result result;

    *fd = grid_lock_open(swap->path, GRID_LOCK_EXISTING, err);
    if (*fd < 0)
        return errno == ENOENT ? GRID_SWAP_CONFLICT : failed(err, "not_read", "cannot read", swap->path);
    result = compare(*fd, swap->path, swap->expected, err);
    if (result == GRID_SWAP_DONE)
        return result;
    close(*fd);
    *fd = -1;
    return result;
}

enum { TRIES = 1000 };

/* Locks the old file, which was opened. Other writers hold the lock during a rename only,
 * unless they are stopped, so the number of tries is limited. A file that was replaced
 * meanwhile is opened and compared again. */
static grid_swap_result lock_expected(int *fd, const grid_swap *swap, grid_error *err)
{
    grid_swap_result result = GRID_SWAP_DONE;
    struct stat status;

    for (int tries = 1; result == GRID_SWAP_DONE; tries++) {
        grid_lock_result lock = grid_lock_opened(*fd, swap->path, &status, err);

        if (lock == GRID_LOCK_TAKEN)
            return GRID_SWAP_DONE;
        close(*fd);
        *fd = -1;
        if (tries == TRIES || lock == GRID_LOCK_FAILED)
            return GRID_SWAP_FAILED;
        if (lock == GRID_LOCK_BUSY)
            poll(NULL, 0, 1);
        result = open_expected(fd, swap, err);
    }
    return result;
}

/* LOCK_UN: close() would leave the lock to a child that was forked meanwhile. */
static void unlock(int fd)
{
    if (fd < 0)
        return;
    flock(fd, LOCK_UN);
    close(fd);
}

/* Removes temporary files whose lock is free, since a writer holds the lock until it
 * ends; and old reserves. */
static void sweep(const char *folder)
{
    DIR *entries = opendir(folder);
    char path[PATH_MAX];
    struct stat status;
    grid_error unused;

    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        int size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name), fd;

        if (entry->d_name[0] == '.' || size < 0 || (size_t)size >= sizeof path)
            continue;
        fd = grid_lock_open(path, GRID_LOCK_EXISTING, &unused);
        if (fd >= 0 && grid_lock_opened(fd, path, &status, &unused) == GRID_LOCK_TAKEN &&
            !grid_reserve_is_kept(entry->d_name, &status))
            unlink(path);
        unlock(fd);
    }
    if (entries)
        closedir(entries);
}

static void discard(temporary *new)
{
    if (new->path[0])
        unlink(new->path);
    new->path[0] = '\0';
    unlock(new->fd);
}

static bool name_temporary(temporary *new, const char *folder)
{
    struct timespec now;
    int size;

    clock_gettime(CLOCK_REALTIME, &now);
    size = snprintf(new->path, sizeof new->path, "%s/%ld.%llx.%lx", folder, (long)grid_fork_pid(), (unsigned long long)now.tv_sec,
                    (unsigned long)now.tv_nsec);
    return size >= 0 && (size_t)size < sizeof new->path;
}

/* The sweep of another writer may lock and remove a file between its creation and its
 * lock. Then another name is tried. */
static bool create(temporary *new, const char *folder, grid_error *err)
{
    grid_lock_result result = GRID_LOCK_REPLACED;
    struct stat status;

    for (int tries = 1; tries <= TRIES && result != GRID_LOCK_FAILED; tries++) {
        if (!name_temporary(new, folder)) {
            errno = ENAMETOOLONG;
            return grid_error_of_file(err, "not_written", "cannot write in", folder);
        }
        new->fd = grid_lock_open(new->path, GRID_LOCK_NEW, err);
        if (new->fd < 0 && errno == EEXIST)
            continue;
        if (new->fd < 0)
            return grid_error_of_file(err, "not_written", "cannot write in", folder);
        result = grid_lock_opened(new->fd, NULL, &status, err);
        if (result == GRID_LOCK_TAKEN)
            return true;
        discard(new);
    }
    return false;
}

/* The reserve that the last replacement of the file has left. */
static bool take_reserve(temporary *new, const grid_swap *swap)
{
    new->fd = grid_reserve_path(swap->temporary_folder, swap->path, new->path) ? grid_reserve_take(new->path) : -1;
    new->is_reserve = new->fd >= 0;
    return new->is_reserve;
}

/* A replacement that leaves a reserve does not take that reserve. A new file takes none:
 * a writer that dies between link and unlink would leave the file itself as reserve. */
static bool begin(temporary *new, const grid_swap *swap, grid_error *err)
{
    bool takes_reserve = swap->expected.data && !swap->reserve_size;

    new->is_reserve = false;
    return (takes_reserve && take_reserve(new, swap)) || create(new, swap->temporary_folder, err);
}

static bool leave_reserve(const grid_swap *swap, grid_error *err)
{
    char reserve[PATH_MAX];

    if (!swap->reserve_size)
        return true;
    if (grid_reserve_path(swap->temporary_folder, swap->path, reserve))
        return grid_reserve_make(reserve, swap->reserve_size, err);
    errno = ENAMETOOLONG;
    return grid_error_of_file(err, "not_written", "cannot reserve", swap->path);
}

static struct timespec time_of(double seconds)
{
    const double latest = 0xFFFFFFFF; /* 2106 */
    struct timespec result;

    seconds = seconds < 0 ? 0 : seconds < latest ? seconds : latest;
    result.tv_sec = (time_t)seconds;
    result.tv_nsec = (long)((seconds - (double)result.tv_sec) * 1e9);
    return result;
}

/* The end of an old content, and space that is not needed, are cut off. */
static bool write_bytes(const temporary *new, grid_slice bytes)
{
    return grid_replacement_write_to(new->fd, bytes) && (!new->is_reserve || ftruncate(new->fd, (off_t)bytes.size) == 0);
}

/* The time is set after the last write, which would change it. */
static bool fill(const temporary *new, const grid_swap *swap)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(swap->modified)};

    grid_folder_give_to_owner(new->fd, swap->path);
    return write_bytes(new, swap->bytes) && futimens(new->fd, times) == 0 && fsync(new->fd) == 0;
}

/* Unlike rename, link does not replace a file that exists. */
static grid_swap_result put_new(const temporary *new, const char *path, grid_error *err)
{
    if (link(new->path, path) == 0)
        return GRID_SWAP_DONE;
    return errno == EEXIST ? GRID_SWAP_CONFLICT : failed(err, "not_written", "cannot create", path);
}

/* After the rename, no process can find the old file, and its lock has no effect. */
static grid_swap_result put_over(temporary *new, const grid_swap *swap, int *old, grid_error *err)
{
    grid_swap_result result = lock_expected(old, swap, err);

    if (result != GRID_SWAP_DONE)
        return result;
    if (rename(new->path, swap->path) != 0)
        return failed(err, "not_written", "cannot replace", swap->path);
    new->path[0] = '\0';
    close(*old);
    *old = -1;
    return result;
}

static grid_swap_result sync_folder_of(const char *path, grid_error *err)
{
    char folder[PATH_MAX];

    return grid_folder_sync(grid_folder_of(path, folder), err) ? GRID_SWAP_DONE : GRID_SWAP_FAILED;
}

/* With the old file open; -1: there must be none. */
static grid_swap_result put(const grid_swap *swap, int *old, grid_error *err)
{
    grid_swap_result result;
    temporary new;

    if (swap->sweeps)
        sweep(swap->temporary_folder);
    if (!begin(&new, swap, err))
        return GRID_SWAP_FAILED;
    if (!fill(&new, swap))
        result = failed(err, "not_written", "cannot write", swap->path);
    else if (!leave_reserve(swap, err))
        result = GRID_SWAP_FAILED;
    else
        result = swap->expected.data ? put_over(&new, swap, old, err) : put_new(&new, swap->path, err);
    discard(&new);
    return result;
}

/* The old file is compared first, so that an existing conflict is found before the
 * write. */
grid_swap_result grid_swap_replace(const grid_swap *swap, grid_error *err)
{
    grid_swap_result result;
    int old = -1;

    if (swap->expected.data)
        result = open_expected(&old, swap, err);
    else
        result = access(swap->path, F_OK) == 0 ? GRID_SWAP_CONFLICT : GRID_SWAP_DONE;
    if (result == GRID_SWAP_DONE)
        result = put(swap, &old, err);
    unlock(old);
    return result == GRID_SWAP_DONE ? sync_folder_of(swap->path, err) : result;
}

grid_swap_result grid_swap_remove(const char *path, grid_slice expected, grid_error *err)
{
    const grid_swap swap = {.path = path, .expected = expected};
    int old = -1;
    grid_swap_result result = open_expected(&old, &swap, err);

    if (result == GRID_SWAP_DONE)
        result = lock_expected(&old, &swap, err);
    if (result == GRID_SWAP_DONE && unlink(path) != 0)
        result = failed(err, "not_removed", "cannot remove", path);
    unlock(old);
    return result == GRID_SWAP_DONE ? sync_folder_of(path, err) : result;
}
