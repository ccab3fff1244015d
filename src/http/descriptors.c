#include "http/descriptors.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The pair on which a thread reports that it has looked up a name, and a socket or a
 * file in that thread. */
enum { TAKEN_AT_A_TIME = 3 };

bool grid_descriptors_are_used_up(void)
{
    int fds[TAKEN_AT_A_TIME], count = 0, reason = 0;

    while (count < TAKEN_AT_A_TIME && !reason) {
        fds[count] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fds[count] < 0)
            reason = errno;
        else
            count++;
    }
    while (count > 0)
        close(fds[--count]);
    return reason == EMFILE || reason == ENFILE;
}
