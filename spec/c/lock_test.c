/* The lock on a file: one holder at a time, taken without waiting. How a file system
 * refuses locks is in file_test.c. */
#define _GNU_SOURCE /* mkdtemp */

#include "folder.h"
#include "replace.h"

#include "base/lock.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[PATH_MAX];

static bool take(grid_lock *lock)
{
    grid_error err;

    return grid_lock_take(lock, path, &err);
}

static bool is_refused_as(const char *name, const char *code)
{
    grid_error err = {.code = ""};
    grid_lock lock;
    bool taken = grid_lock_take(&lock, name, &err);

    if (taken)
        grid_lock_release(&lock);
    return !taken && err.kind == GRID_STORE && CHECK_STR(err.code, code);
}

static void a_lock_is_held_by_one_at_a_time(void)
{
    grid_lock lock;

    CHECK(take(&lock));
    CHECK(is_refused_as(path, "busy"));
    grid_lock_release(&lock);
    grid_lock_release(&lock); /* not held: no effect */
    CHECK(take(&lock));
    grid_lock_release(&lock);
}

static void a_lock_creates_no_file(void)
{
    CHECK(unlink(path) == 0);
    CHECK(is_refused_as(path, "not_found"));
    CHECK(access(path, F_OK) != 0);
    CHECK(is_refused_as("/nowhere/at/all", "not_found"));
    CHECK(is_refused_as(folder, "not_locked"));
}

/* The child keeps the descriptor open until `until` is closed. */
static pid_t fork_child(grid_lock *lock, const int until[2])
{
    pid_t child = fork();
    char byte;

    if (child == 0) {
        if (lock)
            grid_lock_release(lock);
        close(until[1]);
        _exit(read(until[0], &byte, 1) == 0 ? 0 : 1);
    }
    return child;
}

static void end_child(pid_t child, const int until[2])
{
    int status = -1;

    close(until[0]);
    close(until[1]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void a_new_file_is_no_file_that_exists(void)
{
    struct stat status;
    grid_error err;
    int fd;

    fd = grid_lock_open(path, GRID_LOCK_NEW, &err);
    CHECK(fd >= 0 && fstat(fd, &status) == 0 && (status.st_mode & 0777) == 0600 && close(fd) == 0);
    CHECK(grid_lock_open(path, GRID_LOCK_NEW, &err) < 0 && errno == EEXIST);
    fd = grid_lock_open(path, GRID_LOCK_EXISTING, &err);
    CHECK(replace_file(path, "new", &err));
    CHECK_INT(grid_lock_opened(fd, path, &status, &err), GRID_LOCK_REPLACED);
    CHECK_STR(err.code, "replaced");
    CHECK_INT(grid_lock_opened(fd, NULL, &status, &err), GRID_LOCK_REPLACED);
    CHECK_STR(err.code, "replaced");
    close(fd);
}

static void a_child_neither_keeps_nor_releases_the_lock(void)
{
    grid_lock lock, again;
    int until[2] = {-1, -1};
    pid_t child;

    CHECK(take(&lock) && pipe(until) == 0);
    child = fork_child(NULL, until);
    grid_lock_release(&lock);
    CHECK(take(&again));
    end_child(child, until);

    CHECK(pipe(until) == 0);
    child = fork_child(&again, until);
    end_child(child, until);
    CHECK(is_refused_as(path, "busy"));
    grid_lock_release(&again);
}

static void a_locked_file_can_be_replaced_and_the_new_one_be_locked(void)
{
    grid_lock lock, second;
    grid_error err;

    CHECK(take(&lock));
    CHECK(replace_file(path, "new", &err));
    CHECK(take(&second));
    grid_lock_release(&second);
    grid_lock_release(&lock);
}

int main(void)
{
    if (!folder_make())
        return check_report();
    snprintf(path, sizeof path, "%s/lock", folder);
    CHECK(replace_file(path, "", &(grid_error){.code = ""}));
    a_lock_is_held_by_one_at_a_time();
    a_lock_creates_no_file();
    a_new_file_is_no_file_that_exists();
    a_child_neither_keeps_nor_releases_the_lock();
    a_locked_file_can_be_replaced_and_the_new_one_be_locked();
    CHECK(unlink(path) == 0);
    folder_remove();
    return check_report();
}
