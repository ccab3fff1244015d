#include "base/place.h"

#include "base/folder.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 40 }; /* on one path, as in the kernel */

typedef struct walk {
    char path[PATH_MAX]; /* what is left of the path */
    char rest[PATH_MAX]; /* the names after it, each with a slash before it */
    int links;           /* the number of symbolic links that were followed */
} walk;

static bool too_long(const char *path, grid_error *err)
{
    errno = ENAMETOOLONG;
    return grid_error_not_read(err, path);
}

static bool set_path(walk *self, const char *path, const char *name)
{
    char joined[PATH_MAX];
    int size = snprintf(joined, sizeof joined, "%s%s%s", path, *path ? "/" : "", name);

    if (size < 0 || (size_t)size >= sizeof joined)
        return false;
    memcpy(self->path, joined, (size_t)size + 1);
    return true;
}

static bool prepend(walk *self, const char *name)
{
    size_t size = strlen(name), old = strlen(self->rest);

    if (size + old + 2 > sizeof self->rest)
        return false;
    memmove(self->rest + size + 1, self->rest, old + 1);
    self->rest[0] = '/';
    memcpy(self->rest + 1, name, size);
    return true;
}

static void trim_slashes(char *path)
{
    size_t size = strlen(path);

    while (size > 1 && path[size - 1] == '/')
        path[--size] = '\0';
}

/* Replaces a symbolic link at the end of the path by its target, which does not exist. */
static bool follow(walk *self, bool *followed)
{
    char target[PATH_MAX], folder[PATH_MAX];
    ssize_t size = readlink(self->path, target, sizeof target - 1);

    *followed = size > 0 && ++self->links <= MOST_LINKS;
    if (!*followed)
        return true;
    target[size] = '\0';
    return set_path(self, target[0] == '/' ? "" : grid_folder_of(self->path, folder), target);
}

/* Moves the last name from the path to the rest. A ".." stays a name there: no folder can
 * be made by a path that leads through a missing one. */
static bool remove_name(walk *self)
{
    char folder[PATH_MAX], name[PATH_MAX];
    const char *slash = strrchr(self->path, '/');

    snprintf(name, sizeof name, "%s", slash ? slash + 1 : self->path);
    snprintf(self->path, sizeof self->path, "%s", grid_folder_of(self->path, folder));
    return strcmp(name, ".") == 0 || prepend(self, name);
}

static bool is_end(const char *path)
{
    return strcmp(path, ".") == 0 || strcmp(path, "/") == 0;
}

static bool step(walk *self)
{
    bool followed;

    return follow(self, &followed) && (followed || remove_name(self));
}

bool grid_place_of(const char *path, char place[GRID_PLACE_SIZE], grid_error *err)
{
    walk self = {.links = 0};
    struct stat status = {.st_dev = 0};

    if (!set_path(&self, "", path))
        return too_long(path, err);
    trim_slashes(self.path);
    while (stat(self.path, &status) != 0 && !is_end(self.path)) {
        if (!step(&self))
            return too_long(path, err);
        trim_slashes(self.path);
    }
    snprintf(place, GRID_PLACE_SIZE, "%llx.%llx%s", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino, self.rest);
    return true;
}
