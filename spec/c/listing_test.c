/* What a folder lists, and what is told of a file that is not opened. */
#include "check.h"
#include "folder.h"

#include "base/listing.h"
#include "base/status.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char file[PATH_MAX], other[PATH_MAX], link_to_none[PATH_MAX], link_to_file[PATH_MAX];

/* A file of the test with that modification time. */
static void write_file(const char *path, time_t modified)
{
    const struct timespec times[2] = {{.tv_sec = modified}, {.tv_sec = modified, .tv_nsec = 500000000}};
    FILE *stream = fopen(path, "w");

    CHECK(stream != NULL);
    fclose(stream);
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The sum of the times of the files that the folder lists, and their number. */
static double sum_of_times(grid_listing *listing, int *count)
{
    const char *name;
    double sum = 0, seconds;
    grid_error err;

    for (*count = 0; grid_listing_next(listing, folder, &name, &err) && name;)
        if (grid_listing_file_modified(listing, name, &seconds)) {
            sum += seconds;
            ++*count;
        }
    return sum;
}

static void a_folder_lists_the_times_of_its_files_and_of_nothing_else(void)
{
    grid_listing listing;
    grid_error err;
    double modified = 0, expected = -1;
    int count;

    CHECK(grid_listing_open(&listing, folder, &err));
    CHECK(sum_of_times(&listing, &count) == 3001);
    CHECK_INT(count, 2); /* not ".", ".." and the links */
    CHECK(!grid_listing_file_modified(&listing, "none", &modified));
    CHECK(grid_listing_modified(&listing, folder, &modified, &err) && grid_status_modified(folder, &expected, &err));
    CHECK(modified == expected);
    grid_listing_close(&listing);
    grid_listing_close(&listing);
    CHECK(!grid_listing_open(&listing, file, &err));
    CHECK_STR(err.code, "not_read");
    grid_listing_close(&listing);
}

static void a_file_exists_or_not(void)
{
    char long_name[PATH_MAX + 10];
    bool exists = false;
    grid_error err;

    CHECK(grid_status_exists(file, &exists, &err) && exists);
    CHECK(grid_status_exists(link_to_none, &exists, &err) && exists);
    CHECK(grid_status_exists("/tmp/grid-c-test.none", &exists, &err) && !exists);
    CHECK(grid_status_exists("/dev/null/none", &exists, &err) && !exists);
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    CHECK(!grid_status_exists(long_name, &exists, &err));
    CHECK_STR(err.code, "not_read");
}

static void a_stamp_differs_after_a_change(void)
{
    char before[GRID_STAMP_SIZE], after[GRID_STAMP_SIZE];
    double changed = 0;
    grid_error err;

    CHECK(grid_status_stamp(file, before, &changed, &err) && changed > 1e9);
    CHECK(grid_status_stamp(file, after, &changed, &err));
    CHECK_STR(after, before);
    CHECK(grid_status_stamp(other, after, &changed, &err) && strcmp(before, after) != 0);
    CHECK_INT(truncate(file, 5), 0);
    CHECK(grid_status_stamp(file, after, &changed, &err) && strcmp(before, after) != 0);
    CHECK(!grid_status_stamp(link_to_none, after, &changed, &err) && !grid_status_modified(link_to_none, &changed, &err));
}

int main(void)
{
    if (folder_make()) {
        snprintf(file, sizeof file, "%s/file", folder);
        snprintf(other, sizeof other, "%s/other", folder);
        snprintf(link_to_none, sizeof link_to_none, "%s/link", folder);
        snprintf(link_to_file, sizeof link_to_file, "%s/file-link", folder);
        write_file(file, 1000);
        write_file(other, 2000);
        CHECK_INT(symlink("none", link_to_none), 0);
        CHECK_INT(symlink("file", link_to_file), 0);
        a_folder_lists_the_times_of_its_files_and_of_nothing_else();
        a_file_exists_or_not();
        a_stamp_differs_after_a_change();
        unlink(file);
        unlink(other);
        unlink(link_to_none);
        unlink(link_to_file);
        folder_remove();
    }
    return check_report();
}
