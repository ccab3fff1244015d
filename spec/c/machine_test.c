/* What tells processes apart: names, zombies, and processes that have gone. */
#include "base/machine.h"

#include "base/fork.h"

#include "check.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static bool is_uuid(const char *text)
{
    for (int i = 0; i < 36; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    }
    return text[36] == '\0';
}

static void a_process_knows_where_it_runs(void)
{
    grid_machine machine, again;

    grid_machine_get(&machine);
    grid_machine_get(&again);
    CHECK(is_uuid(machine.boot_id));
    CHECK_STR(again.boot_id, machine.boot_id);
    CHECK(strncmp(machine.pid_namespace, "pid:[", 5) == 0);
    CHECK(!machine.time_namespace[0] || strncmp(machine.time_namespace, "time:[", 6) == 0);
    CHECK(!strchr(machine.machine_id, '\n'));
    CHECK_INT(machine.pid, getpid());
    CHECK(strtoull(machine.start_time, NULL, 10) > 0);
    CHECK_STR(again.start_time, machine.start_time);
}

static pid_t start_child(void)
{
    pid_t child = fork();

    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

static void a_zombie_and_a_reaped_process_are_gone(void)
{
    char start_time[GRID_MACHINE_TEXT];
    pid_t child = start_child();
    siginfo_t info;

    CHECK_INT(grid_machine_process(child, start_time), GRID_PROCESS_ALIVE);
    CHECK(start_time[0]);
    CHECK_INT(kill(child, SIGKILL), 0);
    CHECK_INT(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
    CHECK_INT(grid_machine_process(child, start_time), GRID_PROCESS_GONE);
    CHECK_STR(start_time, "");
    CHECK_INT(waitpid(child, NULL, 0), child);
    CHECK_INT(grid_machine_process(child, start_time), GRID_PROCESS_GONE);
    CHECK_STR(start_time, "");
}

static void a_stopped_process_is_alive(void)
{
    char start_time[GRID_MACHINE_TEXT];
    pid_t child = start_child();
    int status;

    CHECK_INT(kill(child, SIGSTOP), 0);
    CHECK_INT(waitpid(child, &status, WUNTRACED), child);
    CHECK_INT(grid_machine_process(child, start_time), GRID_PROCESS_ALIVE);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static void the_name_of_a_program_does_not_mislead(void)
{
    static const char *const names[] = {") Z 1 (", "a b c", "((", "))", ") X 1 2 3 4"};
    char start_time[GRID_MACHINE_TEXT], before[GRID_MACHINE_TEXT];

    CHECK_INT(grid_machine_process(getpid(), before), GRID_PROCESS_ALIVE);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_INT(prctl(PR_SET_NAME, names[i]), 0);
        CHECK_INT(grid_machine_process(getpid(), start_time), GRID_PROCESS_ALIVE);
        CHECK_STR(start_time, before);
    }
}

static void a_number_that_is_no_process_says_nothing(void)
{
    char start_time[GRID_MACHINE_TEXT];

    CHECK_INT(grid_machine_process(0, start_time), GRID_PROCESS_UNKNOWN);
    CHECK_INT(grid_machine_process(-1, start_time), GRID_PROCESS_UNKNOWN);
    CHECK_STR(start_time, "");
}

static void the_clock_counts_from_boot_on(void)
{
    struct timespec monotonic;
    double before = grid_machine_boottime();

    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    CHECK(before >= 0);
    CHECK(grid_machine_boottime() >= before);
    /* Which leaves suspension out. */
    CHECK(grid_machine_boottime() >= (double)monotonic.tv_sec);
}

/* 0: a child that knows itself as another process, whose own child does, too */
static int status_of_children(unsigned parent, int depth)
{
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        bool is_known = grid_fork_count() != parent && grid_fork_pid() == getpid();

        _exit(is_known && (depth == 0 || status_of_children(grid_fork_count(), depth - 1) == 0) ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return status;
}

static void a_forked_child_knows_that_it_is_another_process(void)
{
    unsigned count = grid_fork_count();

    CHECK_INT(grid_fork_pid(), getpid());
    CHECK_INT(status_of_children(count, 1), 0);
    CHECK_INT(grid_fork_count(), count);
    CHECK_INT(grid_fork_pid(), getpid());
}

int main(void)
{
    a_forked_child_knows_that_it_is_another_process();
    a_process_knows_where_it_runs();
    a_zombie_and_a_reaped_process_are_gone();
    a_stopped_process_is_alive();
    the_name_of_a_program_does_not_mislead();
    a_number_that_is_no_process_says_nothing();
    the_clock_counts_from_boot_on();
    return check_report();
}
