#define _GNU_SOURCE /* fallocate */

#include "base/reserve.h"

#include "base/folder.h"
#include "base/lock.h"
#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char SUFFIX[] = ".reserve";

enum { KEPT_FOR = 3600 }; /* seconds */

bool grid_reserve_path(const char *folder, const char *path, char reserve[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    int size = snprintf(reserve, PATH_MAX, "%s/%s%s", folder, slash ? slash + 1 : path, SUFFIX);

    return size >= 0 && size < PATH_MAX;
}

static int open_reserve(const char *reserve, int creation)
{
    return grid_standard_above(open(reserve, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | creation, 0600));
}

bool grid_reserve_allocate(int fd, size_t bytes)
{
    int result;

    do
        result = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
    while (result != 0 && errno == EINTR);
    return result == 0 || (errno != ENOSPC && errno != EDQUOT);
}

/* A file that this user cannot write, as one of root, is replaced. */
static int create(const char *reserve, bool *is_new)
{
    int fd = open_reserve(reserve, 0);

    *is_new = fd < 0 && (errno == ENOENT || ((errno == EACCES || errno == ELOOP) && unlink(reserve) == 0));
    return *is_new ? open_reserve(reserve, O_CREAT) : fd;
}

/* Another writer may be writing into a reserve that existed: that one is not removed. */
bool grid_reserve_make(const char *reserve, size_t bytes, grid_error *err)
{
    bool is_new;
    int fd = create(reserve, &is_new), why;
    bool done = fd >= 0 && grid_reserve_allocate(fd, bytes);

    why = errno;
    if (fd >= 0) {
        grid_folder_give_to_owner(fd, reserve);
        close(fd);
    }
    if (done)
        return true;
    if (is_new)
        unlink(reserve);
    errno = why;
    return grid_error_of_file(err, "not_written", "cannot reserve", reserve);
}

/* A file with another name is not written in place. */
int grid_reserve_take(const char *reserve)
{
    int fd = open_reserve(reserve, 0);
    struct stat status;
    grid_error unused;

    if (fd < 0 || (grid_lock_opened(fd, reserve, &status, &unused) == GRID_LOCK_TAKEN && status.st_nlink == 1))
        return fd;
    close(fd);
    return -1;
}

/* Counts from the last change of the inode: the modification time may be that of a
 * record. */
bool grid_reserve_is_kept(const char *name, const struct stat *status)
{
    size_t length = strlen(name), size = sizeof SUFFIX - 1;

    return length > size && strcmp(name + length - size, SUFFIX) == 0 && status->st_ctime + KEPT_FOR > time(NULL);
}
