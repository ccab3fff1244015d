#include "base/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static ssize_t read_file(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return -1;
    do
        length = read(fd, text, size - 1);
    while (length < 0 && errno == EINTR);
    close(fd);
    if (length >= 0)
        text[length] = '\0';
    return length;
}

static void read_line(const char *path, char text[GRID_MACHINE_TEXT])
{
    if (read_file(path, text, GRID_MACHINE_TEXT) < 0)
        text[0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static void read_link(const char *path, char text[GRID_MACHINE_TEXT])
{
    ssize_t length = readlink(path, text, GRID_MACHINE_TEXT - 1);

    text[length > 0 ? length : 0] = '\0';
}

/* proc(5), /proc/[pid]/stat: pid (comm) state … and starttime is field 22. comm may
 * contain blanks and parentheses. Returns the state; '\0': the text does not have this
 * form. */
static char parse_stat(const char *text, char start_time[GRID_MACHINE_TEXT])
{
    enum { STATE = 3, STARTTIME = 22 };
    const char *at = strrchr(text, ')');
    char state;

    if (!at || at[1] != ' ' || !at[2])
        return '\0';
    state = at[2];
    at++;
    for (int field = STATE; field < STARTTIME; field++) {
        at = strchr(at + 1, ' ');
        if (!at)
            return '\0';
    }
    snprintf(start_time, GRID_MACHINE_TEXT, "%.*s", (int)strspn(at + 1, "0123456789"), at + 1);
    return start_time[0] ? state : '\0';
}

static grid_process state_without_proc(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH ? GRID_PROCESS_GONE : GRID_PROCESS_UNKNOWN;
}

grid_process grid_machine_process(pid_t pid, char start_time[GRID_MACHINE_TEXT])
{
    char path[40], text[1024], state = '\0';

    start_time[0] = '\0';
    if (pid <= 0)
        return GRID_PROCESS_UNKNOWN;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (read_file(path, text, sizeof text) > 0)
        state = parse_stat(text, start_time);
    if (state == 'Z' || state == 'X') {
        start_time[0] = '\0';
        return GRID_PROCESS_GONE;
    }
    return state ? GRID_PROCESS_ALIVE : state_without_proc(pid);
}

void grid_machine_get(grid_machine *machine)
{
    read_line("/etc/machine-id", machine->machine_id);
    read_line("/proc/sys/kernel/random/boot_id", machine->boot_id);
    read_link("/proc/self/ns/pid", machine->pid_namespace);
    read_link("/proc/self/ns/time", machine->time_namespace);
    machine->pid = getpid();
    grid_machine_process(machine->pid, machine->start_time);
}

double grid_machine_boottime(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
