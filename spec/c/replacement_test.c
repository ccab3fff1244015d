/* Replacement of files: after a loss of power each is the old or the new one,
 * never an empty one. */
#define _GNU_SOURCE /* mkdtemp, RTLD_NEXT */

#include "folder.h"
#include "replace.h"

#include "base/alloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>


/* ---- What reaches the disk: this program's own fsync and rename ------------------- */

/* "sync NAME;", "rename NAME;": of the temporary file and the folder. */
static char steps[4096];
static const char *sync_fails;   /* for a path that holds this */
static int sync_errno;

static const char *name_of(const char *of)
{
    const char *slash = strrchr(of, '/');

    return slash ? slash + 1 : of;
}

static void note(const char *step, const char *of)
{
    size_t used = strlen(steps);

    snprintf(steps + used, sizeof steps - used, "%s %s;", step, name_of(of));
}

int fsync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    char link_path[64], of[PATH_MAX] = "";

    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
    CHECK(readlink(link_path, of, sizeof of - 1) > 0);
    note("sync", of);
    if (sync_fails && strstr(name_of(of), sync_fails)) {
        errno = sync_errno;
        return -1;
    }
    return real(fd);
}

int rename(const char *old, const char *new)
{
    int (*real)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");

    note("rename", old);
    return real(old, new);
}

enum { MANY = 3 };

typedef struct batch {
    char paths[MANY][PATH_MAX + 16];
    grid_replacement replacements[MANY];
    grid_replacement *list[MANY];
    grid_replacement_result results[MANY];
} batch;

static void write_batch(batch *of)
{
    grid_error err;

    for (int i = 0; i < MANY; i++) {
        snprintf(of->paths[i], sizeof of->paths[i], "%s/session.json.%d", folder, i);
        of->list[i] = &of->replacements[i];
        CHECK(grid_replacement_begin(of->list[i], of->paths[i], &err));
        CHECK(grid_replacement_write(of->list[i], (grid_slice){"new", 3}, &err));
        CHECK(access(of->paths[i], F_OK) != 0);
    }
    steps[0] = '\0';
}

static void free_batch(batch *of)
{
    for (int i = 0; i < MANY; i++) {
        grid_replacement_clear(of->list[i]);
        unlink(of->paths[i]);
    }
}

static bool begins_with(const char **at, const char *step)
{
    size_t size = strlen(step);

    if (strncmp(*at, step, size) != 0)
        return false;
    *at = strchr(*at, ';') + 1;
    return true;
}

static bool are_synced_then_renamed(const char *at)
{
    char step[PATH_MAX];

    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < MANY; i++) {
            snprintf(step, sizeof step, "%s session.json.%d.", pass ? "rename" : "sync", i);
            if (!begins_with(&at, step))
                return false;
        }
    }
    snprintf(step, sizeof step, "sync %s;", name_of(folder));
    return begins_with(&at, step) && !*at;
}

static void many_files_are_synced_then_renamed_and_then_their_folder_is_synced(void)
{
    batch many;

    write_batch(&many);
    grid_replacements_commit(many.list, MANY, many.results);
    CHECK(are_synced_then_renamed(steps));
    for (int i = 0; i < MANY; i++)
        CHECK(many.results[i].is_durable && access(many.paths[i], F_OK) == 0);
    free_batch(&many);
}

static const char *path_of(const char *name)
{
    static char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static bool write_whole(void)
{
    grid_error err;
    bool done = replace_file(path_of("session.json"), "new", &err);

    unlink(path_of("session.json"));
    return done;
}

static void one_file_goes_the_same_way(void)
{
    char expected[PATH_MAX];
    const char *at = steps;

    steps[0] = '\0';
    CHECK(write_whole());
    snprintf(expected, sizeof expected, "sync %s;", name_of(folder));
    CHECK(begins_with(&at, "sync session.json.") && begins_with(&at, "rename session.json.") && strcmp(at, expected) == 0);
}

static void a_file_that_does_not_reach_the_disk_is_not_renamed(void)
{
    batch many;

    write_batch(&many);
    sync_fails = "session.json.1.";
    sync_errno = EIO;
    grid_replacements_commit(many.list, MANY, many.results);
    sync_fails = NULL;
    CHECK(!strstr(steps, "rename session.json.1."));
    for (int i = 0; i < MANY; i++) {
        CHECK(many.results[i].is_durable == (i != 1) && many.results[i].is_replaced == (i != 1));
        CHECK((access(many.paths[i], F_OK) == 0) == (i != 1));
    }
    CHECK_STR(many.results[1].error.code, "not_written");
    CHECK(strstr(many.results[1].error.message, strerror(EIO)) != NULL);
    free_batch(&many);
}

/* Each file of that folder is replaced, and may be undone. */
static void a_folder_that_does_not_reach_the_disk_is_told(void)
{
    batch many;

    write_batch(&many);
    sync_fails = name_of(folder);
    sync_errno = EIO;
    grid_replacements_commit(many.list, MANY, many.results);
    for (int i = 0; i < MANY; i++) {
        CHECK(many.results[i].is_replaced && !many.results[i].is_durable);
        CHECK_STR(many.results[i].error.code, "not_durable");
    }
    free_batch(&many);
    sync_errno = EINVAL; /* the file system has no such call */
    CHECK(write_whole());
    sync_fails = NULL;
}

static bool disk_is_full;

ssize_t write(int fd, const void *buf, size_t n)
{
    ssize_t (*real)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");

    errno = ENOSPC;
    return disk_is_full ? -1 : real(fd, buf, n);
}

static bool nothing_is_free;
static off_t allocated;

int fallocate(int fd, int mode, off_t offset, off_t size)
{
    int (*real)(int, int, off_t, off_t) = (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate");

    allocated = size;
    errno = ENOSPC;
    return nothing_is_free ? -1 : real(fd, mode, offset, size);
}

static void space_is_allocated_before_the_content_is_known(void)
{
    grid_replacement replacement;
    grid_error err;
    struct stat status;

    CHECK(replace_file(path_of("session.json"), "old", &err));
    CHECK_INT(allocated, 8192);
    nothing_is_free = true;
    CHECK(!grid_replacement_begin(&replacement, path_of("session.json"), &err));
    CHECK_STR(err.code, "not_written");
    CHECK(strstr(err.message, strerror(ENOSPC)) != NULL);
    CHECK(!replacement.temporary[0]);
    nothing_is_free = false;
    CHECK(replace_file(path_of("session.json"), "longer", &err));
    CHECK_INT(allocated, 8192 + 3);
    CHECK(stat(path_of("session.json"), &status) == 0 && status.st_size == 6 && status.st_blocks * 512 <= 4096);
    unlink(path_of("session.json"));
}

static void on_a_full_disk_the_old_file_stays(void)
{
    grid_error err;
    struct stat status;

    CHECK(replace_file(path_of("session.json"), "old", &err));
    disk_is_full = true;
    CHECK(!replace_file(path_of("session.json"), "longer", &err));
    disk_is_full = false;
    CHECK_STR(err.code, "not_written");
    CHECK(strstr(err.message, strerror(ENOSPC)) != NULL);
    CHECK(stat(path_of("session.json"), &status) == 0 && status.st_size == 3);
    unlink(path_of("session.json"));
}

/* The parent goes on with what it began. */
static void a_child_that_clears_a_replacement_leaves_the_file(void)
{
    grid_replacement replacement;
    grid_error err;
    int status = -1;
    pid_t child;

    CHECK(grid_replacement_begin(&replacement, path_of("session.json"), &err));
    child = fork();
    if (child == 0) {
        grid_replacement_clear(&replacement);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(access(replacement.temporary, F_OK) == 0);
    grid_replacement_clear(&replacement);
}

int main(void)
{
    long before = grid_alloc_live();

    if (!folder_make())
        return check_report();
    many_files_are_synced_then_renamed_and_then_their_folder_is_synced();
    one_file_goes_the_same_way();
    a_file_that_does_not_reach_the_disk_is_not_renamed();
    a_folder_that_does_not_reach_the_disk_is_told();
    space_is_allocated_before_the_content_is_known();
    on_a_full_disk_the_old_file_stays();
    a_child_that_clears_a_replacement_leaves_the_file();
    folder_remove();
    CHECK(grid_alloc_live() == before);
    return check_report();
}
