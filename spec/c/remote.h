/* The server of spec/support/fault_server.mjs for C tests: TLS, HTTP/2, and faults
 * by name. Needs node.
 *
 * Owns: the server's process, from remote_open to remote_close; it also ends with
 * the test. */
#ifndef GRID_SPEC_REMOTE_H
#define GRID_SPEC_REMOTE_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct remote {
    FILE *output;
    int pid;
    char https[64], ca[128];
} remote;

static inline bool remote_open(remote *server)
{
    char command[128], line[512] = "";
    char *pid;

    snprintf(command, sizeof command, "exec node spec/support/fault_server.mjs --watch %d", (int)getpid());
    server->output = popen(command, "r");
    if (!server->output || !fgets(line, sizeof line, server->output))
        return false;
    pid = strstr(line, " pid=");
    if (!pid)
        return false;
    *pid = '\0'; /* the name of the file before it may hold blanks */
    server->pid = (int)strtol(pid + 5, NULL, 10);
    return server->pid > 0 &&
           sscanf(line, "ready http=%*s https=%63s ca=%127[^\n]", server->https, server->ca) == 2;
}

static inline void remote_close(const remote *server)
{
    kill(server->pid, SIGTERM);
    pclose(server->output);
}

#endif
