#include "base/swap.h"

#include "base/folder.h"
#include "base/lock.h"
#include "base/replacement.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct temporary {
    char path[PATH_MAX]; /* empty after the rename, or if removed */
    grid_lock lock;      /* its descriptor is used for writing; held until the rename or link */
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

/* Compares without the lock, so that an existing conflict is found before the write. */
static grid_swap_result compare_at(const char *path, grid_slice expected, grid_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    grid_swap_result result;

    if (fd < 0 && errno == ENOENT)
        return expected.data ? GRID_SWAP_CONFLICT : GRID_SWAP_DONE;
    if (fd < 0)
        return failed(err, "not_read", "cannot read", path);
    result = expected.data ? compare(fd, path, expected, err) : GRID_SWAP_CONFLICT;
    close(fd);
    return result;
}

enum { TRIES = 1000 };

/* Other writers hold the lock during a rename only, unless they are stopped, so the
 * number of tries is limited. */
static bool lock_old(grid_lock *lock, const char *path, grid_error *err)
{
    for (int tries = 1;; tries++) {
        if (grid_lock_take(lock, path, GRID_LOCK_EXISTING, err))
            return true;
        if (strcmp(err->code, "busy") != 0 || tries == TRIES)
            return false;
        poll(NULL, 0, 1);
    }
}

static grid_swap_result lock_expected(grid_lock *lock, const char *path, grid_slice expected, grid_error *err)
{
    grid_swap_result result;

    if (!lock_old(lock, path, err))
        return strcmp(err->code, "not_found") == 0 ? GRID_SWAP_CONFLICT : GRID_SWAP_FAILED;
    result = compare(lock->fd, path, expected, err);
    if (result != GRID_SWAP_DONE)
        grid_lock_release(lock);
    return result;
}

/* Removes temporary files whose lock is free, since a writer holds the lock until it
 * ends. */
static void sweep(const char *folder)
{
    DIR *entries = opendir(folder);
    char path[PATH_MAX];
    grid_error unused;
    grid_lock lock;

    for (struct dirent *entry; entries && (entry = readdir(entries)) != NULL;) {
        int size = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);

        if (entry->d_name[0] == '.' || size < 0 || (size_t)size >= sizeof path)
            continue;
        if (!grid_lock_take(&lock, path, GRID_LOCK_EXISTING, &unused))
            continue;
        unlink(path);
        grid_lock_release(&lock);
    }
    if (entries)
        closedir(entries);
}

/* The sweep of another writer may lock and remove a file between its creation and its
 * lock. Then another name is tried. */
static bool create(temporary *new, const char *folder, grid_error *err)
{
    for (int tries = 1;; tries++) {
        struct timespec now;
        int size;

        clock_gettime(CLOCK_REALTIME, &now);
        size = snprintf(new->path, sizeof new->path, "%s/%ld.%llx.%lx", folder, (long)getpid(),
                        (unsigned long long)now.tv_sec, (unsigned long)now.tv_nsec);
        if (size < 0 || (size_t)size >= sizeof new->path) {
            errno = ENAMETOOLONG;
            return failed(err, "not_written", "cannot write in", folder);
        }
        if (grid_lock_take(&new->lock, new->path, GRID_LOCK_CREATE, err))
            return true;
        if (strcmp(err->code, "busy") != 0 || tries == TRIES)
            return false;
    }
}

/* A file that root writes is given to the owner of the folder, who could not read the
 * file otherwise. */
static void give_to_owner(int fd, const char *path)
{
    char folder[PATH_MAX];
    struct stat status;

    if (geteuid() == 0 && stat(grid_folder_of(path, folder), &status) == 0 &&
        fchown(fd, status.st_uid, status.st_gid) != 0)
        errno = 0; /* not permitted: the file belongs to root */
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

/* The time is set after the last write, which would change it. */
static bool fill(int fd, const grid_swap *swap)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, time_of(swap->modified)};

    give_to_owner(fd, swap->path);
    return ftruncate(fd, 0) == 0 && grid_write_all(fd, swap->bytes) && futimens(fd, times) == 0 && fsync(fd) == 0;
}

static void discard(temporary *new)
{
    if (new->path[0])
        unlink(new->path);
    new->path[0] = '\0';
    grid_lock_release(&new->lock);
}

/* Unlike rename, link does not replace a file that exists. */
static grid_swap_result put_new(const temporary *new, const char *path, grid_error *err)
{
    if (link(new->path, path) == 0)
        return GRID_SWAP_DONE;
    return errno == EEXIST ? GRID_SWAP_CONFLICT : failed(err, "not_written", "cannot create", path);
}

static grid_swap_result put_over(temporary *new, const grid_swap *swap, grid_error *err)
{
    grid_lock old;
    grid_swap_result result = lock_expected(&old, swap->path, swap->expected, err);

    if (result != GRID_SWAP_DONE)
        return result;
    if (rename(new->path, swap->path) == 0)
        new->path[0] = '\0';
    else
        result = failed(err, "not_written", "cannot replace", swap->path);
    grid_lock_release(&old);
    return result;
}

static grid_swap_result sync_folder_of(const char *path, grid_error *err)
{
    char folder[PATH_MAX];

    return grid_folder_sync(grid_folder_of(path, folder), err) ? GRID_SWAP_DONE : GRID_SWAP_FAILED;
}

grid_swap_result grid_file_replace_if(const grid_swap *swap, grid_error *err)
{
    grid_swap_result result = compare_at(swap->path, swap->expected, err);
    temporary new;

    if (result != GRID_SWAP_DONE)
        return result;
    sweep(swap->temporary_folder);
    if (!create(&new, swap->temporary_folder, err))
        return GRID_SWAP_FAILED;
    if (!fill(new.lock.fd, swap))
        result = failed(err, "not_written", "cannot write", swap->path);
    else
        result = swap->expected.data ? put_over(&new, swap, err) : put_new(&new, swap->path, err);
    discard(&new);
    return result == GRID_SWAP_DONE ? sync_folder_of(swap->path, err) : result;
}

grid_swap_result grid_file_remove_if(const char *path, grid_slice expected, grid_error *err)
{
    grid_lock old;
    grid_swap_result result = lock_expected(&old, path, expected, err);

    if (result != GRID_SWAP_DONE)
        return result;
    if (unlink(path) != 0)
        result = failed(err, "not_removed", "cannot remove", path);
    grid_lock_release(&old);
    return result == GRID_SWAP_DONE ? sync_folder_of(path, err) : result;
}
