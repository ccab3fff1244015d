/* A file that is being replaced: the old one stays until the new one is whole, and one process has it. */
#define _GNU_SOURCE /* mkdtemp */

#include "check.h"

#include "base/alloc.h"
#include "base/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/grid-file-test.XXXXXX";
static char path[PATH_MAX];

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
    grid_file *file = grid_file_begin(path, &err);

    if (CHECK(file != NULL))
        CHECK(grid_file_commit(file, (grid_slice){text, strlen(text)}, false, &err));
    grid_file_free(file);
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
    CHECK(grid_file_commit(first, (grid_slice){"mine", 4}, false, &err));
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

/* Lua's collector in a child that was forked half-way frees what its parent is about to write. */
static void a_child_leaves_its_parents_file_alone(void)
{
    grid_error err;

    begun = grid_file_begin(path, &err);
    in_a_child(free_begun);
    CHECK(grid_file_commit(begun, (grid_slice){"new", 3}, false, &err));
    grid_file_free(begun);
    content_is("new");
}

static bool is_refused(const char *name)
{
    grid_error err = {.code = ""};
    grid_file *file = grid_file_begin(name, &err);
    bool refused = !file && err.kind == GRID_STORE && strcmp(err.code, "not_written") == 0;

    grid_file_free(file);
    return refused;
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
    done = file && write(STDERR_FILENO, "x", 1) < 0 && grid_file_commit(file, (grid_slice){"alone", 5}, true, &err);
    grid_file_free(file);
    return done;
}

static void what_goes_to_standard_error_is_not_for_the_file(void)
{
    in_a_child(write_without_standard_error);
    content_is("alone");
}

enum { NOBODY = 65534 };

static bool nobody_is_refused(void)
{
    return seteuid(NOBODY) == 0 && is_refused(path);
}

/* Who is not root cannot give files away. */
static void a_file_stays_its_owners(void)
{
    struct stat status;

    if (geteuid() != 0)
        return;
    CHECK(chmod(folder, 01777) == 0);
    in_a_child(nobody_is_refused);
    CHECK(chown(path, NOBODY, NOBODY) == 0);
    write_whole("his");
    CHECK(stat(path, &status) == 0 && status.st_uid == NOBODY && status.st_gid == NOBODY);
}

int main(void)
{
    long before = grid_alloc_live();

    if (!CHECK(mkdtemp(folder) != NULL))
        return check_report();
    snprintf(path, sizeof path, "%s/session.json", folder);
    a_file_that_is_given_up_changes_nothing();
    a_child_leaves_its_parents_file_alone();
    a_file_is_begun_by_one_at_a_time();
    what_is_no_file_is_not_replaced();
    what_goes_to_standard_error_is_not_for_the_file();
    a_file_stays_its_owners();
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0); /* no temporary file is left */
    CHECK(grid_alloc_live() == before);
    return check_report();
}
