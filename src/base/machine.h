/* Identifies a process, on this machine and across restarts of the machine (Linux).
 *
 * Owns: nothing; every call reads from the kernel, so that a fork or a restored copy of
 * the machine gets current values.
 * Does not know: the comparison of the values. All are texts, so that JSON does not
 * change them. An empty text: the kernel does not report the value. */
#ifndef GRID_BASE_MACHINE_H
#define GRID_BASE_MACHINE_H

#include <sys/types.h>

enum { GRID_MACHINE_TEXT = 40 }; /* with the NUL */

typedef struct grid_machine {
    char machine_id[GRID_MACHINE_TEXT];     /* machine-id(5) */
    char boot_id[GRID_MACHINE_TEXT];        /* a new one at each boot */
    char pid_namespace[GRID_MACHINE_TEXT];  /* "pid:[4026531836]", namespaces(7) */
    char time_namespace[GRID_MACHINE_TEXT]; /* "time:[…]", time_namespaces(7) */
    char start_time[GRID_MACHINE_TEXT];     /* of this process, clock ticks since boot */
    pid_t pid;
} grid_machine;

void grid_machine_get(grid_machine *machine);

typedef enum grid_process {
    GRID_PROCESS_ALIVE,
    GRID_PROCESS_GONE,   /* no such process, or a zombie */
    GRID_PROCESS_UNKNOWN /* the kernel does not show it (proc(5), hidepid) */
} grid_process;

/* `start_time` is set if the process is alive, else empty. */
grid_process grid_machine_process(pid_t pid, char start_time[GRID_MACHINE_TEXT]);

/* Seconds since boot, including suspension (CLOCK_BOOTTIME): the same clock for all
 * processes of one time namespace. */
double grid_machine_boottime(void);

#endif
