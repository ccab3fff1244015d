/* Compare-and-set of files: a file is changed only if it begins as expected, its time
 * is the one that was given, and no temporary file of a dead writer stays. */
#define _GNU_SOURCE /* mkdtemp, RTLD_NEXT */

#include "folder.h"

#include "base/folder.h"
#include "base/lock.h"
#include "base/swap.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[PATH_MAX], temporaries[PATH_MAX], left[PATH_MAX];
static grid_error err;
static int locks_fail; /* an errno of this program's own flock */

int flock(int fd, int operation)
{
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");

    errno = locks_fail;
    return locks_fail ? -1 : real(fd, operation);
}

static grid_slice slice_of(const char *text)
{
    return (grid_slice){text, text ? strlen(text) : 0};
}

static grid_swap_result put(const char *expected, const char *text)
{
    const grid_swap swap = {path, temporaries, slice_of(expected), slice_of(text), 1234567890.25, true, 0};

    memset(&err, 0, sizeof err);
    return grid_swap_replace(&swap, &err);
}

static grid_swap_result take_away(const char *expected)
{
    memset(&err, 0, sizeof err);
    return grid_swap_remove(path, slice_of(expected), &err);
}

static bool has_content(const char *expected)
{
    char text[100] = "";
    FILE *file = fopen(path, "r");

    if (!file)
        return expected == NULL;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return expected && CHECK_STR(text, expected);
}

static int names_in(const char *where)
{
    DIR *entries = opendir(where);
    int count = 0;

    while (entries && readdir(entries))
        count++;
    if (entries)
        closedir(entries);
    return count - 2;
}

static void a_file_is_created_if_there_is_none(void)
{
    CHECK_INT(put("one", "two"), GRID_SWAP_CONFLICT);
    CHECK(has_content(NULL));
    CHECK_INT(put(NULL, "one\nfirst"), GRID_SWAP_DONE);
    CHECK_INT(put(NULL, "other"), GRID_SWAP_CONFLICT);
    CHECK(has_content("one\nfirst"));
}

static void a_file_is_replaced_if_it_begins_as_expected(void)
{
    struct stat status;

    CHECK_INT(put("two\n", "two\nx"), GRID_SWAP_CONFLICT);
    CHECK_INT(put("one\nfirst and more", "two\nx"), GRID_SWAP_CONFLICT);
    CHECK(has_content("one\nfirst"));
    CHECK_INT(put("one\n", "two\nsecond"), GRID_SWAP_DONE);
    CHECK(has_content("two\nsecond"));
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600 && status.st_nlink == 1);
    CHECK(status.st_mtim.tv_sec == 1234567890 && status.st_mtim.tv_nsec == 250000000);
    CHECK_INT(names_in(temporaries), 0);
}

static void a_file_is_removed_if_it_begins_as_expected(void)
{
    CHECK_INT(take_away("one\n"), GRID_SWAP_CONFLICT);
    CHECK(has_content("two\nsecond"));
    CHECK_INT(take_away("two\n"), GRID_SWAP_DONE);
    CHECK(has_content(NULL));
    CHECK_INT(take_away("two\n"), GRID_SWAP_CONFLICT);
}

/* A writer that has written, and waits for `until` to be closed. */
static pid_t start_writer(grid_lock *lock, const int until[2])
{
    pid_t child;
    char byte;

    close(grid_lock_open(left, GRID_LOCK_NEW, &err));
    CHECK(grid_lock_take(lock, left, &err));
    child = fork();
    if (child == 0) {
        close(until[1]);
        _exit(read(until[0], &byte, 1) == 0 ? 0 : 1);
    }
    close(lock->fd); /* the child alone holds it */
    return child;
}

static void a_temporary_file_stays_as_long_as_its_writer_lives(void)
{
    const grid_swap without_sweep = {path, temporaries, slice_of("one\n"), slice_of("one\n"), 0, false, 0};
    int until[2] = {-1, -1};
    grid_lock lock;
    pid_t child;

    CHECK(pipe(until) == 0);
    child = start_writer(&lock, until);
    CHECK_INT(put(NULL, "one\n"), GRID_SWAP_DONE);
    CHECK(access(left, F_OK) == 0);
    close(until[0]);
    close(until[1]);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_INT(grid_swap_replace(&without_sweep, &err), GRID_SWAP_DONE);
    CHECK(access(left, F_OK) == 0);
    CHECK_INT(put("one\n", "two\n"), GRID_SWAP_DONE);
    CHECK(access(left, F_OK) != 0);
}

/* A writer that died between link and unlink. */
static void a_second_name_of_the_file_is_removed(void)
{
    struct stat status;

    CHECK(link(path, left) == 0);
    CHECK_INT(put("two\n", "three\n"), GRID_SWAP_DONE);
    CHECK(access(left, F_OK) != 0 && has_content("three\n"));
    CHECK(link(path, left) == 0);
    CHECK_INT(put("three\n", "four\n"), GRID_SWAP_DONE);
    CHECK(stat(path, &status) == 0 && status.st_nlink == 1);
}

static void a_lock_that_is_not_released_is_not_waited_for_without_end(void)
{
    grid_lock lock;

    CHECK(grid_lock_take(&lock, path, &err));
    CHECK_INT(put("four\n", "five\n"), GRID_SWAP_FAILED);
    CHECK_STR(err.code, "busy");
    CHECK_INT(take_away("four\n"), GRID_SWAP_FAILED);
    CHECK_STR(err.code, "busy");
    grid_lock_release(&lock);
    CHECK(has_content("four\n"));
    CHECK_INT(names_in(temporaries), 0);
    CHECK_INT(take_away("four\n"), GRID_SWAP_DONE);
}

static void a_file_system_without_locks_is_refused(void)
{
    static const int errors[] = {ENOLCK, ENOSYS, EOPNOTSUPP};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        locks_fail = errors[i];
        CHECK_INT(put(NULL, "one\n"), GRID_SWAP_FAILED);
        CHECK_STR(err.code, "not_locked");
        locks_fail = 0;
        CHECK_INT(names_in(temporaries), 0);
    }
    CHECK(has_content(NULL));
}

static void what_cannot_be_done_has_a_reason(void)
{
    const grid_swap nowhere = {path, "/nowhere/at/all", slice_of(NULL), slice_of("x"), 0, true, 0};
    const grid_swap on_another = {path, "/proc/self", slice_of(NULL), slice_of("x"), 0, true, 0};

    CHECK_INT(grid_swap_replace(&nowhere, &err), GRID_SWAP_FAILED);
    CHECK_INT(grid_swap_replace(&on_another, &err), GRID_SWAP_FAILED);
    CHECK(err.kind == GRID_STORE && err.message[0]);
    CHECK(has_content(NULL));
}

static bool is_refused_as(const char *name, const char *code)
{
    memset(&err, 0, sizeof err);
    return !grid_folder_check(name, &err) && CHECK_STR(err.code, code);
}

static void a_folder_that_others_can_write_to_is_refused(void)
{
    static const int refused[] = {0720, 0702, 0777, 01777};
    char file[PATH_MAX + 16];

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        CHECK(chmod(temporaries, (mode_t)refused[i]) == 0);
        CHECK(is_refused_as(temporaries, "not_private"));
    }
    CHECK(chmod(temporaries, 0755) == 0);
    CHECK(grid_folder_check(temporaries, &err));
    snprintf(file, sizeof file, "%s/nothing", temporaries);
    CHECK(is_refused_as(file, "not_found"));
    CHECK(is_refused_as("/dev/null", "not_read"));
}

static void a_folder_is_made_for_its_owner_alone(void)
{
    struct stat status;
    char name[PATH_MAX + 16];

    snprintf(name, sizeof name, "%s/made", temporaries);
    CHECK(grid_folder_make(name, &err) && grid_folder_make(name, &err) && grid_folder_sync(temporaries, &err));
    CHECK(stat(name, &status) == 0 && (status.st_mode & 0777) == 0700);
    CHECK(rmdir(name) == 0);
    CHECK(!grid_folder_make("/nowhere/at/all", &err));
    CHECK_STR(err.code, "not_made");
    CHECK(!grid_folder_sync("/nowhere/at/all", &err));
    CHECK_STR(err.code, "not_durable");
}

int main(void)
{
    if (!folder_make())
        return check_report();
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(temporaries, sizeof temporaries, "%s/tmp", folder);
    snprintf(left, sizeof left, "%s/tmp/1.left", folder);
    CHECK(mkdir(temporaries, 0700) == 0);
    a_file_is_created_if_there_is_none();
    a_file_is_replaced_if_it_begins_as_expected();
    a_file_is_removed_if_it_begins_as_expected();
    a_temporary_file_stays_as_long_as_its_writer_lives();
    a_second_name_of_the_file_is_removed();
    a_lock_that_is_not_released_is_not_waited_for_without_end();
    a_file_system_without_locks_is_refused();
    what_cannot_be_done_has_a_reason();
    a_folder_that_others_can_write_to_is_refused();
    a_folder_is_made_for_its_owner_alone();
    CHECK(rmdir(temporaries) == 0);
    folder_remove();
    return check_report();
}
