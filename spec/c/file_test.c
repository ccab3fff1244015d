/* A file that is being replaced: the old one stays until the new one is whole, and one process has it. */
#define _GNU_SOURCE /* mkdtemp */

#include "check.h"

#include "base/alloc.h"
#include "base/file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Lua's collector in a child that was forked half-way frees what its parent is about to write. */
static void a_child_leaves_its_parents_file_alone(void)
{
    grid_error err;
    grid_file *file = grid_file_begin(path, &err);
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        grid_file_free(file);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(grid_file_commit(file, (grid_slice){"new", 3}, false, &err));
    grid_file_free(file);
    content_is("new");
}

int main(void)
{
    long before = grid_alloc_live();

    if (!CHECK(mkdtemp(folder) != NULL))
        return check_report();
    snprintf(path, sizeof path, "%s/session.json", folder);
    a_file_that_is_given_up_changes_nothing();
    a_child_leaves_its_parents_file_alone();
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0); /* no temporary file is left */
    CHECK(grid_alloc_live() == before);
    return check_report();
}
