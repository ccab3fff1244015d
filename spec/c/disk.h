/* The disk of a test: the program's own fsync and write, which wait, fail and count. For
 * a program of one file, which defines _GNU_SOURCE. Does not know: what is written. */
#ifndef GRID_SPEC_DISK_H
#define GRID_SPEC_DISK_H

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static sem_t leave; /* each fsync waits for a post */
static atomic_int synced_files, synced_folders, failing_with; /* an errno */
static atomic_bool disk_is_full;
static pthread_t main_thread;
static atomic_bool synced_by_main;

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    struct stat status;

    while (sem_wait(&leave) != 0)
        ;
    if (pthread_equal(pthread_self(), main_thread))
        synced_by_main = true;
    if (failing_with) {
        errno = failing_with;
        return -1;
    }
    fstat(fd, &status);
    atomic_fetch_add(S_ISDIR(status.st_mode) ? &synced_folders : &synced_files, 1);
    return real(fd);
}

ssize_t write(int fd, const void *buf, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");

    if (disk_is_full && fd > STDERR_FILENO) {
        errno = ENOSPC;
        return -1;
    }
    return real(fd, buf, n);
}

static void let_go(int count)
{
    while (count-- > 0)
        sem_post(&leave);
}

#endif
