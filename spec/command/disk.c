/* To be preloaded into the command: a file system like NFS, and a log of what reaches the
 * disk.
 *
 * $DISK_LOCKS=nfs refuses to lock a file through a descriptor that cannot write, as an
 * NFS client does; any other value is the errno of every lock. $DISK_LOG names a file
 * that gets a line for each "write PATH", "sync PATH" and "rename PATH". $DISK_FAILS,
 * such as "sync 5", names a call and the errno with which it fails: write and sync of
 * files, sync_folder, rename, link. $DISK_ARMED names a file, without which none
 * fails. */
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

/* Does that call fail? Then errno is set. */
static int fails(const char *what)
{
    const char *call = getenv("DISK_FAILS"), *armed = getenv("DISK_ARMED");
    size_t size = strlen(what);

    if (!call || strncmp(call, what, size) != 0 || call[size] != ' ')
        return 0;
    if (armed && access(armed, F_OK) != 0)
        return 0;
    errno = atoi(call + size);
    return 1;
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
    int is_file = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);

    if (is_file)
        note_file("write", fd);
    if (is_file && fails("write"))
        return -1;
    return REAL(write)(fd, bytes, size);
}

int fsync(int fd)
{
    struct stat status;

    note_file("sync", fd);
    if (fails(fstat(fd, &status) == 0 && S_ISDIR(status.st_mode) ? "sync_folder" : "sync"))
        return -1;
    return REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    char path[PATH_MAX];

    if (realpath(from, path))
        note("rename %s\n", path);
    return fails("rename") ? -1 : REAL(rename)(from, to);
}

int link(const char *from, const char *to)
{
    return fails("link") ? -1 : REAL(link)(from, to);
}
