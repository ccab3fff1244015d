/* stopwatch RUNS COMMAND… [-- COMMAND…]…: times whole processes, the commands in turn,
 * RUNS times; no shell is between. Prints one line for each round, the seconds of each
 * command in order. What the commands print is thrown away. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double run(char **command)
{
    posix_spawn_file_actions_t actions;
    double start = now();
    pid_t pid;
    int status;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!command[0] || posix_spawnp(&pid, command[0], &actions, NULL, command, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        fprintf(stderr, "stopwatch: %s failed\n", command[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    return now() - start;
}

int main(int count, char **arguments)
{
    enum { MOST = 8 };
    char **commands[MOST];
    long round, rounds = count > 2 ? strtol(arguments[1], NULL, 10) : 0;
    int i, command_count = 0;

    for (i = 2; i < count && command_count < MOST; i++) {
        commands[command_count++] = &arguments[i];
        while (i < count && strcmp(arguments[i], "--") != 0)
            i++;
        arguments[i] = NULL;
    }
    for (round = 0; round < rounds; round++)
        for (i = 0; i < command_count; i++)
            printf("%.6f%c", run(commands[i]), i == command_count - 1 ? '\n' : ' ');
    return rounds == 0;
}
