/* Reserves: the replacement of a file leaves disk space for the next one, which takes it,
 * on a disk that is full by then, too. */
#define _GNU_SOURCE /* mkdtemp, RTLD_NEXT */

#include "folder.h"

#include "base/lock.h"
#include "base/reserve.h"
#include "base/swap.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { ANOTHER_USER = 65534 };

static char path[PATH_MAX], temporaries[PATH_MAX], reserve[PATH_MAX];
static grid_error err;
static int allocation_fails; /* an errno of this program's own fallocate */
static time_t later;         /* seconds that this program's own clock is ahead */

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    int (*real)(int, int, off_t, off_t) = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");

    errno = allocation_fails;
    return allocation_fails ? -1 : real(fd, mode, offset, size);
}

time_t time(time_t *unused)
{
    struct timespec now;

    (void)unused;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec + later;
}

static grid_slice slice_of(const char *text)
{
    return (grid_slice){text, text ? strlen(text) : 0};
}

static grid_swap_result put(const char *expected, const char *text, size_t reserve_size)
{
    const grid_swap swap = {path, temporaries, slice_of(expected), slice_of(text), 0, true, reserve_size};

    memset(&err, 0, sizeof err);
    return grid_swap_replace(&swap, &err);
}

static bool has_content(const char *expected)
{
    char text[100] = "";
    FILE *file = fopen(path, "r");

    if (!CHECK(file != NULL))
        return false;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return CHECK_STR(text, expected);
}

static struct stat status_of(const char *name)
{
    struct stat status = {0};

    CHECK(stat(name, &status) == 0);
    return status;
}

static bool is_there(const char *name)
{
    return access(name, F_OK) == 0;
}

static void space_is_reserved_for_the_next_replacement(void)
{
    struct stat status;
    ino_t reserved;

    CHECK_INT(put(NULL, "one", 20000), GRID_SWAP_DONE);
    status = status_of(reserve);
    reserved = status.st_ino;
    CHECK(status.st_blocks * 512 >= 20000);
    CHECK((status.st_mode & 0777) == 0600 && status.st_size == 0);
    CHECK_INT(put("one", "two", 0), GRID_SWAP_DONE);
    status = status_of(path);
    CHECK(status.st_ino == reserved && status.st_blocks * 512 < 20000);
    CHECK(has_content("two") && !is_there(reserve));
}

static void one_that_leaves_a_reserve_does_not_take_it(void)
{
    ino_t reserved;

    CHECK_INT(put("two", "three", 100), GRID_SWAP_DONE);
    reserved = status_of(reserve).st_ino;
    CHECK_INT(put("three", "four", 20000), GRID_SWAP_DONE);
    CHECK(status_of(reserve).st_ino == reserved && status_of(reserve).st_blocks * 512 >= 20000);
    CHECK_INT(put("nothing", "five", 0), GRID_SWAP_CONFLICT);
    CHECK(is_there(reserve) && has_content("four"));
}

/* As after a writer that died in mid-write. */
static void the_old_content_of_a_reserve_is_cut_off(void)
{
    FILE *file = fopen(reserve, "w");

    if (!CHECK(file != NULL))
        return;
    fputs("longer than the new one", file);
    fclose(file);
    CHECK_INT(put("four", "five", 0), GRID_SWAP_DONE);
    CHECK(has_content("five") && !is_there(reserve));
}

static void nothing_is_changed_without_space(void)
{
    allocation_fails = ENOSPC;
    CHECK_INT(put("five", "six", 100), GRID_SWAP_FAILED);
    CHECK_STR(err.code, "not_written");
    CHECK(err.kind == GRID_STORE && strstr(err.message, strerror(ENOSPC)) != NULL);
    CHECK(has_content("five") && !is_there(reserve));
    allocation_fails = EDQUOT;
    CHECK_INT(put("five", "six", 100), GRID_SWAP_FAILED);
    allocation_fails = 0;
    CHECK_INT(put("five", "five", 100), GRID_SWAP_DONE);
    allocation_fails = ENOSPC;
    CHECK_INT(put("five", "six", 20000), GRID_SWAP_FAILED);
    CHECK(has_content("five") && is_there(reserve));
    allocation_fails = 0;
}

/* Other file systems, and sandboxes that refuse the system call. */
static void space_is_not_reserved_where_that_is_impossible(void)
{
    static const int errors[] = {EOPNOTSUPP, ENOSYS, EPERM};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        allocation_fails = errors[i];
        CHECK_INT(put("five", "five and", 100), GRID_SWAP_DONE);
    }
    allocation_fails = 0;
    CHECK_INT(put("five", "seven", 0), GRID_SWAP_DONE);
    CHECK(has_content("seven") && !is_there(reserve));
}

static void a_reserve_that_another_writer_has_is_left_to_it(void)
{
    grid_lock lock;

    CHECK_INT(put("seven", "eight", 100), GRID_SWAP_DONE);
    CHECK(grid_lock_take(&lock, reserve, &err));
    CHECK_INT(put("eight", "nine", 0), GRID_SWAP_DONE);
    CHECK(has_content("nine") && is_there(reserve));
    grid_lock_release(&lock);
}

static void a_symbolic_link_is_no_reserve(void)
{
    CHECK(unlink(reserve) == 0 && symlink(path, reserve) == 0);
    CHECK_INT(put("nine", "ten", 0), GRID_SWAP_DONE);
    CHECK(has_content("ten"));
    CHECK_INT(put("ten", "ten more", 100), GRID_SWAP_DONE);
    CHECK(has_content("ten more"));
    CHECK_INT(put("ten more", "ten", 0), GRID_SWAP_DONE);
    CHECK(!is_there(reserve));
}

static void give_all(uid_t user)
{
    CHECK(chown(folder, user, user) == 0 && chown(path, user, user) == 0 && chown(temporaries, user, user) == 0);
}

/* Root may die before it takes the reserve. */
static void one_of_root_is_for_the_owner_of_the_folder(void)
{
    struct stat status;

    if (geteuid() != 0)
        return;
    give_all(ANOTHER_USER);
    CHECK_INT(put("ten", "eleven", 100), GRID_SWAP_DONE);
    status = status_of(reserve);
    CHECK(status.st_uid == ANOTHER_USER && status.st_gid == ANOTHER_USER);
    CHECK(seteuid(ANOTHER_USER) == 0);
    CHECK_INT(put("eleven", "ten", 0), GRID_SWAP_DONE);
    CHECK(seteuid(0) == 0 && !is_there(reserve));
    give_all(0);
}

/* A link of the reserve would be the reserve of the new file, if its writer died. */
static void a_new_file_takes_no_reserve(void)
{
    CHECK_INT(put("ten", "eleven", 100), GRID_SWAP_DONE);
    CHECK(unlink(path) == 0);
    CHECK_INT(put(NULL, "ten", 0), GRID_SWAP_DONE);
    CHECK(is_there(reserve) && unlink(reserve) == 0);
}

static void a_hard_link_is_no_reserve(void)
{
    ino_t old = status_of(path).st_ino;

    CHECK(link(path, reserve) == 0);
    CHECK_INT(put("ten", "eleven", 0), GRID_SWAP_DONE);
    CHECK(status_of(path).st_ino != old && status_of(reserve).st_ino == old);
    CHECK(unlink(reserve) == 0);
    CHECK_INT(put("eleven", "ten", 0), GRID_SWAP_DONE);
}

static void one_that_no_writer_takes_is_removed_after_an_hour(void)
{
    char other[PATH_MAX + 8];

    CHECK_INT(put("ten", "eleven", 100), GRID_SWAP_DONE);
    snprintf(other, sizeof other, "%s/other", folder);
    for (later = 0; later <= 3700; later += 3700) {
        const grid_swap swap = {other, temporaries, {NULL, 0}, slice_of("x"), 0, true, 0};

        CHECK_INT(grid_swap_replace(&swap, &err), GRID_SWAP_DONE);
        CHECK(is_there(reserve) == (later == 0));
        CHECK(unlink(other) == 0);
    }
    later = 0;
}

int main(void)
{
    if (!folder_make())
        return check_report();
    snprintf(path, sizeof path, "%s/file", folder);
    snprintf(temporaries, sizeof temporaries, "%s/tmp", folder);
    CHECK(mkdir(temporaries, 0700) == 0);
    CHECK(grid_reserve_path(temporaries, path, reserve));
    space_is_reserved_for_the_next_replacement();
    one_that_leaves_a_reserve_does_not_take_it();
    the_old_content_of_a_reserve_is_cut_off();
    nothing_is_changed_without_space();
    space_is_not_reserved_where_that_is_impossible();
    a_reserve_that_another_writer_has_is_left_to_it();
    a_symbolic_link_is_no_reserve();
    one_of_root_is_for_the_owner_of_the_folder();
    a_new_file_takes_no_reserve();
    a_hard_link_is_no_reserve();
    one_that_no_writer_takes_is_removed_after_an_hour();
    CHECK(unlink(path) == 0);
    CHECK(rmdir(temporaries) == 0);
    folder_remove();
    return check_report();
}
