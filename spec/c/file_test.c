/* A file that is locked while it is being replaced, and files that are read whole. */
#define _GNU_SOURCE /* mkdtemp, RTLD_NEXT */

#include "folder.h"
#include "replace.h"

#include "base/alloc.h"
#include "base/file.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[PATH_MAX];

/* ---- The file system's locks: this program's own flock ----------------------------- */

static bool over_nfs;      /* a descriptor that cannot write is refused */
static int locks_fail;     /* with this errno */
static int interruptions;  /* so many calls end with EINTR */
/* A file that is put into the place of another before the next lock. */
static const char *usurper, *usurped = path;

int flock(int fd, int operation)
{
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");

    if (usurper)
        CHECK(rename(usurper, usurped) == 0);
    usurper = NULL;
    errno = locks_fail;
    if (interruptions > 0)
        errno = EINTR;
    else if (over_nfs && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        errno = EBADF;
    interruptions--;
    return errno ? -1 : real(fd, operation);
}

/* ---- Helpers ----------------------------------------------------------------------- */

static void content_is(const char *expected)
{
    char text[64] = "";
    FILE *file = fopen(path, "r");

    if (!CHECK(file != NULL))
        return;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    CHECK_STR(text, expected);
}

static void write_whole(const char *text)
{
    grid_error err;

    CHECK(replace_file(path, text, &err));
}

static bool commit(grid_file *file, const char *text)
{
    grid_replacement *const replacement[] = {grid_file_replacement(file)};
    grid_replacement_result result;
    grid_error err;

    if (!grid_replacement_write(replacement[0], (grid_slice){text, strlen(text)}, &err))
        return false;
    grid_replacements_commit(replacement, 1, &result);
    return result.is_durable;
}

static void a_file_that_is_given_up_changes_nothing(void)
{
    grid_error err;
    grid_file *file;

    write_whole("old");
    file = grid_file_begin(path, &err);
    CHECK(file != NULL);
    grid_file_free(file);
    content_is("old");
}

static void a_file_is_begun_by_one_at_a_time(void)
{
    grid_error err;
    grid_file *first = grid_file_begin(path, &err), *second = grid_file_begin(path, &err);

    CHECK(first != NULL && second == NULL);
    CHECK_STR(err.code, "busy");
    CHECK(commit(first, "mine"));
    grid_file_free(first);
    second = grid_file_begin(path, &err);
    CHECK(second != NULL);
    grid_file_free(second);
    content_is("mine");
}

/* Runs in a child, and says whether all was well there. */
static void in_a_child(bool (*work)(void))
{
    pid_t child = fork();
    int status = -1;

    if (child == 0)
        _exit(work() ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static grid_file *begun;

static bool free_begun(void)
{
    grid_file_free(begun);
    return true;
}

/* Lua's collector in a child that was forked half-way frees what its parent is about to
 * write. */
static void a_child_leaves_its_parents_file_alone(void)
{
    grid_error err;

    begun = grid_file_begin(path, &err);
    in_a_child(free_begun);
    CHECK(commit(begun, "new"));
    grid_file_free(begun);
    content_is("new");
}

enum { ANOTHER_USER = 65534 };

static bool is_refused_as(const char *name, const char *code)
{
    grid_error err = {.code = ""};
    grid_file *file = grid_file_begin(name, &err);
    bool refused = !file && err.kind == GRID_STORE && strcmp(err.code, code) == 0;

    grid_file_free(file);
    return refused;
}

static bool is_refused(const char *name)
{
    return is_refused_as(name, "not_written");
}

static void what_is_no_file_is_not_replaced(void)
{
    char pipe_path[PATH_MAX + 8];

    snprintf(pipe_path, sizeof pipe_path, "%s.pipe", path);
    CHECK(mkfifo(pipe_path, 0600) == 0);
    CHECK(is_refused(pipe_path));
    CHECK(is_refused(folder));
    CHECK(is_refused(""));
    CHECK(is_refused("/nowhere/at/all"));
    unlink(pipe_path);
}

static bool write_without_standard_error(void)
{
    grid_error err;
    grid_file *file;
    bool done;

    close(STDERR_FILENO);
    file = grid_file_begin(path, &err);
    done = file && write(STDERR_FILENO, "x", 1) < 0 && commit(file, "alone");
    grid_file_free(file);
    return done;
}

static void what_goes_to_standard_error_is_not_for_the_file(void)
{
    in_a_child(write_without_standard_error);
    content_is("alone");
}

static bool another_user_is_refused(void)
{
    return seteuid(ANOTHER_USER) == 0 && is_refused(path);
}

static bool is_begun_by_one(void)
{
    grid_error err;
    grid_file *first = grid_file_begin(path, &err);
    bool second_is_refused = first && is_refused_as(path, "busy");

    grid_file_free(first);
    return second_is_refused;
}

static void a_file_is_begun_by_one_at_a_time_over_nfs(void)
{
    over_nfs = true;
    CHECK(is_begun_by_one());
    over_nfs = false;
}

static void a_file_without_its_lock_is_not_begun(void)
{
    static const int errors[] = {ENOLCK, ENOSYS, EOPNOTSUPP, EIO, EINVAL, EACCES, ESTALE};

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        locks_fail = errors[i];
        CHECK(is_refused_as(path, "not_locked"));
    }
    locks_fail = 0;
    interruptions = 3;
    CHECK(is_begun_by_one());
}

static void the_file_that_took_the_place_of_another_before_its_lock_is_the_one_that_counts(void)
{
    char other[PATH_MAX + 8], text[8] = "";
    grid_buffer read;
    grid_error err;
    grid_file *file;
    FILE *made;

    write_whole("old");
    snprintf(other, sizeof other, "%s.other", path);
    made = fopen(other, "w");
    CHECK(made && fputs("other", made) >= 0 && fclose(made) == 0);
    usurper = other;
    file = grid_file_begin(path, &err);
    CHECK(file && is_refused_as(path, "busy"));
    grid_buffer_init(&read, 8);
    CHECK(grid_file_read(file, 7, &read, &err));
    memcpy(text, read.data, read.size);
    CHECK_STR(text, "other");
    grid_buffer_clear(&read);
    grid_file_free(file);
}

static void the_file_that_is_locked_is_the_one_that_is_replaced(void)
{
    char link[PATH_MAX + 8], next[PATH_MAX + 8], one[PATH_MAX + 8], other[PATH_MAX + 8], text[8] = "";
    grid_buffer read;
    grid_error err;
    grid_file *file;

    snprintf(link, sizeof link, "%s.link", path);
    snprintf(next, sizeof next, "%s.next", path);
    snprintf(one, sizeof one, "%s.one", path);
    snprintf(other, sizeof other, "%s.other", path);
    CHECK(replace_file(one, "one", &err) && replace_file(other, "other", &err));
    CHECK(symlink(one, link) == 0 && symlink(other, next) == 0);
    usurper = next; /* before the lock, the link leads elsewhere */
    usurped = link;
    file = grid_file_begin(link, &err);
    usurped = path;
    if (CHECK(file != NULL)) {
        grid_buffer_init(&read, 8);
        CHECK(grid_file_read(file, 7, &read, &err));
        memcpy(text, read.data, read.size);
        grid_buffer_clear(&read);
        CHECK_STR(strrchr(grid_file_replacement(file)->target, '.') + 1, text);
        grid_file_free(file);
    }
    CHECK(unlink(link) == 0 && unlink(one) == 0 && unlink(other) == 0);
}

static void as_much_of_the_old_file_is_read_as_was_asked_for(void)
{
    static const size_t limits[] = {0, 1, 4095, 4096, 4097, 9999, 10000, 10001, 100000};
    static char text[10001];
    grid_buffer read;
    grid_error err;
    grid_file *file;

    memset(text, 'x', sizeof text - 1);
    write_whole(text);
    file = grid_file_begin(path, &err);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        size_t expected = limits[i] < 10000 ? limits[i] : 10000;

        grid_buffer_init(&read, 200000);
        CHECK(grid_file_read(file, limits[i], &read, &err));
        CHECK_MEM(read.data, read.size, text, expected);
        grid_buffer_clear(&read);
    }
    grid_file_free(file);
    CHECK(unlink(path) == 0);
    file = grid_file_begin(path, &err);
    CHECK(file && !grid_file_read(file, 1, &read, &err));
    CHECK_STR(err.code, "not_read");
    grid_file_free(file);
    write_whole("old");
}

static void a_file_is_read_whole_or_not_at_all(void)
{
    grid_buffer read;
    grid_error err;

    write_whole("12345");
    grid_buffer_init(&read, 100);
    CHECK(grid_buffer_append(&read, "0", 1, &err));
    CHECK(grid_file_read_whole(path, 5, &read, &err));
    CHECK_MEM(read.data, read.size, "012345", 6);
    grid_buffer_clear(&read);
    CHECK(!grid_file_read_whole(path, 4, &read, &err));
    CHECK_STR(err.code, "too_large");
    grid_buffer_clear(&read);
    CHECK(!grid_file_read_whole(folder, 4, &read, &err));
    CHECK_STR(err.code, "not_read");
    grid_buffer_clear(&read);
    CHECK(!grid_file_read_whole("/nowhere/at/all", 4, &read, &err));
    CHECK_STR(err.code, "not_found");
    grid_buffer_clear(&read);
}

static void a_file_with_other_names_is_not_begun(void)
{
    char name[PATH_MAX + 8], symbolic[PATH_MAX + 16];

    snprintf(name, sizeof name, "%s.name", path);
    snprintf(symbolic, sizeof symbolic, "%s.symbolic", path);
    CHECK(link(path, name) == 0 && symlink(path, symbolic) == 0);
    CHECK(is_refused_as(path, "hard_linked"));
    CHECK(is_refused_as(name, "hard_linked"));
    CHECK(is_refused_as(symbolic, "hard_linked"));
    CHECK(unlink(name) == 0);
    CHECK(is_begun_by_one());
    CHECK(!is_refused_as(symbolic, "hard_linked"));
    CHECK(unlink(symbolic) == 0);
}

/* Root may write what is read-only. */
static bool become_another_user(void)
{
    return geteuid() != 0 || (chmod(folder, 01777) == 0 && chown(path, ANOTHER_USER, ANOTHER_USER) == 0 &&
                              seteuid(ANOTHER_USER) == 0);
}

static bool read_only_is_locked_and_replaced(void)
{
    if (!become_another_user() || chmod(path, 0400) != 0 || !is_begun_by_one())
        return false;
    over_nfs = true;
    return is_refused_as(path, "not_locked");
}

static bool not_even_readable_is_refused(void)
{
    return become_another_user() && chmod(path, 0000) == 0 && is_refused_as(path, "not_locked");
}

static void a_file_that_may_only_be_read_is_begun_where_its_lock_can_be_had(void)
{
    in_a_child(read_only_is_locked_and_replaced);
    in_a_child(not_even_readable_is_refused);
    CHECK(chown(path, geteuid(), getegid()) == 0 && chmod(path, 0600) == 0);
}

/* Only root can give files away. */
static void a_file_stays_its_owners(void)
{
    struct stat status;

    if (geteuid() != 0)
        return;
    CHECK(chmod(folder, 01777) == 0);
    in_a_child(another_user_is_refused);
    CHECK(chown(path, ANOTHER_USER, ANOTHER_USER) == 0);
    write_whole("his");
    CHECK(stat(path, &status) == 0 && status.st_uid == ANOTHER_USER && status.st_gid == ANOTHER_USER);
}

int main(void)
{
    long before = grid_alloc_live();

    if (!folder_make())
        return check_report();
    snprintf(path, sizeof path, "%s/session.json", folder);
    a_file_that_is_given_up_changes_nothing();
    a_child_leaves_its_parents_file_alone();
    a_file_is_begun_by_one_at_a_time();
    what_is_no_file_is_not_replaced();
    what_goes_to_standard_error_is_not_for_the_file();
    a_file_is_begun_by_one_at_a_time_over_nfs();
    a_file_without_its_lock_is_not_begun();
    the_file_that_took_the_place_of_another_before_its_lock_is_the_one_that_counts();
    the_file_that_is_locked_is_the_one_that_is_replaced();
    as_much_of_the_old_file_is_read_as_was_asked_for();
    a_file_is_read_whole_or_not_at_all();
    a_file_with_other_names_is_not_begun();
    a_file_that_may_only_be_read_is_begun_where_its_lock_can_be_had();
    a_file_stays_its_owners();
    CHECK(unlink(path) == 0);
    folder_remove();
    CHECK(grid_alloc_live() == before);
    return check_report();
}
