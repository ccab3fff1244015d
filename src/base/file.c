#include "base/file.h"

#include "base/alloc.h"
#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct grid_file {
    grid_lock lock; /* on the old file; not held: no such file */
    grid_replacement replacement;
};

static bool lock_old(grid_file *file, const char *path, grid_error *err)
{
    return grid_lock_take(&file->lock, path, err) || strcmp(err->code, "not_found") == 0;
}

grid_file *grid_file_begin(const char *path, grid_error *err)
{
    grid_file *file = grid_malloc(sizeof *file);

    if (!file) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    file->lock.fd = -1;
    if (grid_replacement_begin(&file->replacement, path, err) && lock_old(file, file->replacement.target, err))
        return file;
    grid_file_free(file);
    return NULL;
}

grid_replacement *grid_file_replacement(grid_file *file)
{
    return &file->replacement;
}

void grid_file_free(grid_file *file)
{
    if (!file)
        return;
    grid_replacement_clear(&file->replacement);
    grid_lock_release(&file->lock);
    grid_free(file);
}

enum { CHUNK = 4096 };

/* Reads from the beginning of the file, independent of the descriptor's offset. */
static bool read_up_to(int fd, const char *path, size_t limit, grid_buffer *out, grid_error *err)
{
    size_t done = 0;
    ssize_t got = 1;

    while (got != 0 && done < limit) {
        size_t size = limit - done < CHUNK ? limit - done : CHUNK;

        if (!grid_buffer_reserve(out, size, err))
            return false;
        got = pread(fd, out->data + out->size, size, (off_t)done);
        if (got < 0 && errno != EINTR)
            return grid_error_not_read(err, path);
        out->size += got > 0 ? (size_t)got : 0;
        done += got > 0 ? (size_t)got : 0;
    }
    return true;
}

bool grid_file_read(const grid_file *file, size_t limit, grid_buffer *out, grid_error *err)
{
    if (file->lock.fd < 0) {
        errno = ENOENT;
        return grid_error_not_read(err, file->replacement.target);
    }
    return read_up_to(file->lock.fd, file->replacement.target, limit, out, err);
}

bool grid_file_read_whole(const char *path, size_t limit, grid_buffer *out, grid_error *err)
{
    size_t before = out->size;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool done;

    if (fd < 0)
        return errno == ENOENT ? grid_error_set(err, GRID_STORE, "not_found", "%.120s does not exist", path)
                               : grid_error_not_read(err, path);
    done = read_up_to(fd, path, limit + 1, out, err);
    close(fd);
    if (done && out->size - before > limit)
        return grid_error_set(err, GRID_STORE, "too_large", "%.120s has more than %zu bytes", path, limit);
    return done;
}
