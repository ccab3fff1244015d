/* The system calls that a durable replacement of a file cannot do without: the bytes are
 * written to a new file in the folder of the old one, fsync, rename, fsync of the folder.
 * No lock, no comparison with the old file. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void need(int done, const char *what)
{
    if (done)
        return;
    perror(what);
    exit(1);
}

static void replace(int folder, const char *name, const char *bytes, size_t size)
{
    static const char temporary[] = "new";
    int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    need(fd >= 0, "open");
    need(write(fd, bytes, size) == (ssize_t)size, "write");
    need(fsync(fd) == 0, "fsync");
    need(close(fd) == 0, "close");
    need(renameat(folder, temporary, folder, name) == 0, "rename");
    need(fsync(folder) == 0, "fsync of the folder");
}
