#include "http/descriptors.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket pair of a resolver thread, and a socket or a file in that thread; and what
 * connections that were closed in the same step have released since the failure. */
enum { NEEDED_AT_ONCE = 8 };

bool grid_descriptors_are_used_up(void)
{
    int fds[NEEDED_AT_ONCE], count = 0, reason = 0;

    while (count < NEEDED_AT_ONCE && !reason) {
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
