/* Runs checks in a forked process, whose SIGPIPE has its default action: the signal would
 * end the process.
 *
 * Owns: the process, until it has ended.
 * Does not know: the checks. */
#ifndef GRID_SPEC_CHILD_H
#define GRID_SPEC_CHILD_H

#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Did the process end by itself, with no failed check? */
static inline bool check_child(void (*run)(void *context), void *context)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        signal(SIGPIPE, SIG_DFL);
        check_failed = 0;
        run(context);
        fflush(stdout);
        _exit(check_failed ? 1 : 0);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
