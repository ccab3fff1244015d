/* A program that is started with its standard descriptors closed. */
#include "check.h"

#include "base/standard.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The bits of `closed` are descriptors. */
static bool fills(int closed)
{
    char byte;
    int fd;

    for (fd = 0; fd <= 2; fd++)
        if (closed & 1 << fd)
            close(fd);
    if (!grid_standard_fill())
        return false;
    for (fd = 0; fd <= 2; fd++) {
        errno = 0;
        if ((closed & 1 << fd) && ((fd == 0 ? read(fd, &byte, 1) : write(fd, "x", 1)) >= 0 || errno != EBADF))
            return false;
    }
    return open("/dev/null", O_RDWR) > 2;
}

static void what_is_closed_is_taken_and_still_fails(void)
{
    int closed, status;
    pid_t child;

    for (closed = 0; closed < 8; closed++) {
        child = fork();
        if (child == 0)
            _exit(fills(closed) ? 0 : 1);
        status = -1;
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
}

static void what_is_open_stays_as_it_is(void)
{
    int pipes[2], before = dup(STDOUT_FILENO);
    char byte = 0;

    CHECK(pipe(pipes) == 0 && dup2(pipes[1], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK(grid_standard_fill());
    CHECK(write(STDOUT_FILENO, "y", 1) == 1 && read(pipes[0], &byte, 1) == 1 && byte == 'y');
    dup2(before, STDOUT_FILENO);
}

static bool is_moved_above(void)
{
    int fd;

    close(STDOUT_FILENO);
    fd = open("/dev/null", O_WRONLY);
    return fd == STDOUT_FILENO && grid_standard_above(fd) > 2 && write(STDOUT_FILENO, "x", 1) < 0;
}

static void what_is_opened_on_a_closed_one_is_moved_above(void)
{
    pid_t child = fork();
    int status = -1;

    if (child == 0)
        _exit(is_moved_above() ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK_INT(grid_standard_above(7), 7);
    CHECK(grid_standard_above(-1) < 0);
}

int main(void)
{
    what_is_closed_is_taken_and_still_fails();
    what_is_open_stays_as_it_is();
    what_is_opened_on_a_closed_one_is_moved_above();
    return check_report();
}
