#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool grid_standard_fill(void)
{
    int fd;

    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* POSIX: open returns the lowest descriptor that is free. */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}

int grid_standard_above(int fd)
{
    int high = fd < 0 || fd > STDERR_FILENO ? fd : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (high != fd)
        close(fd);
    return high;
}
