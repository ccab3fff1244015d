/* To be preloaded into the command: a file system like NFS, and a log of what reaches the
 * disk.
 *
 * $DISK_LOCKS=nfs refuses to lock a file through a descriptor that cannot write, as an
 * NFS client does; any other value is the errno of every lock. $DISK_LOG names a file
 * that gets a line for each "write PATH", "sync PATH" and "rename PATH". */
#define _GNU_SOURCE /* RTLD_NEXT */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int flock(int fd, int operation);

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    const char *path = getenv("DISK_LOG");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    va_list values;

    if (fd < 0)
        return;
    va_start(values, format);
    vdprintf(fd, format, values);
    va_end(values);
    close(fd);
}

static void note_file(const char *what, int fd)
{
    char link[64], path[PATH_MAX] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) > 0)
        note("%s %s\n", what, path);
}

int flock(int fd, int operation)
{
    const char *locks = getenv("DISK_LOCKS");

    if (!locks)
        return REAL(flock)(fd, operation);
    errno = strcmp(locks, "nfs") != 0 ? atoi(locks) : (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? EBADF : 0;
    return errno ? -1 : REAL(flock)(fd, operation);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    struct stat status;

    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        note_file("write", fd);
    return REAL(write)(fd, bytes, size);
}

int fsync(int fd)
{
    note_file("sync", fd);
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    char path[PATH_MAX];

    if (realpath(from, path))
        note("rename %s\n", path);
    return REAL(rename)(from, to);
}
