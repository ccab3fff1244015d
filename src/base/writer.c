#include "base/writer.h"

#include "base/alloc.h"
#include "base/replacement.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct grid_write {
    grid_write *next;
    unsigned long long id;
    bool removes; /* false: replaces */
    bool succeeded;
    grid_error failure;
    size_t size;       /* of the bytes */
    size_t path_size;  /* with the NUL */
    char content[];    /* the path, then the bytes */
};

typedef struct queue {
    grid_write *first;
    grid_write **last;
} queue;

struct grid_writer {
    pid_t owner;
    int fd; /* an eventfd */
    pthread_t thread;
    bool has_thread;
    unsigned long long submitted;
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t wakeup;
    bool is_ending;
    queue waiting;
    grid_write *current; /* being executed by the thread */
    queue finished;
};

/* ---- Queues ------------------------------------------------------------------------ */

static void init_queue(queue *to)
{
    to->first = NULL;
    to->last = &to->first;
}

static void append(queue *to, grid_write *write)
{
    write->next = NULL;
    *to->last = write;
    to->last = &write->next;
}

static grid_write *take_first(queue *from)
{
    grid_write *write = from->first;

    if (!write)
        return NULL;
    from->first = write->next;
    if (!from->first)
        from->last = &from->first;
    return write;
}

/* ---- The thread -------------------------------------------------------------------- */

/* Waits for the next write. NULL: the writer is being freed, and all writes are done. */
static grid_write *wait_for_write(grid_writer *writer)
{
    grid_write *write;

    pthread_mutex_lock(&writer->mutex);
    while (!writer->waiting.first && !writer->is_ending)
        pthread_cond_wait(&writer->wakeup, &writer->mutex);
    write = writer->current = take_first(&writer->waiting);
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

static void finish(grid_writer *writer, grid_write *write)
{
    pthread_mutex_lock(&writer->mutex);
    writer->current = NULL;
    append(&writer->finished, write);
    eventfd_write(writer->fd, 1); /* cannot block: take_finished sets the count to 0 */
    pthread_mutex_unlock(&writer->mutex);
}

static bool execute(grid_write *write)
{
    grid_slice bytes = {write->content + write->path_size, write->size};

    return write->removes ? grid_file_remove(write->content, &write->failure)
                          : grid_file_replace(write->content, bytes, &write->failure);
}

/* The thread allocates no memory with base/alloc.h, since the gate for tests works on one
 * thread only. */
static void *run(void *context)
{
    grid_writer *writer = context;
    grid_write *write;

    while ((write = wait_for_write(writer))) {
        write->succeeded = execute(write);
        finish(writer, write);
    }
    return NULL;
}

/* Blocks all signals in the thread, so that the program's handlers run in its own
 * threads. */
static bool start_thread(grid_writer *writer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->has_thread = pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return writer->has_thread;
}

/* ---- The caller's thread ----------------------------------------------------------- */

grid_writer *grid_writer_new(grid_error *err)
{
    grid_writer *writer = grid_calloc(sizeof *writer);

    if (!writer) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    writer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->fd < 0) {
        grid_error_set(err, GRID_REQUEST, "no_descriptor", "no file descriptor is left for a writer");
        grid_free(writer);
        return NULL;
    }
    writer->owner = getpid();
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wakeup, NULL);
    init_queue(&writer->waiting);
    init_queue(&writer->finished);
    return writer;
}

static void free_all(queue *from)
{
    grid_write *write;

    while ((write = take_first(from)))
        grid_write_free(write);
}

static void join(grid_writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->is_ending = true;
    pthread_cond_signal(&writer->wakeup);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
}

/* In a child the mutex may stay locked, so it is not destroyed; the current write never
 * finishes, so it is freed. */
void grid_writer_free(grid_writer *writer)
{
    if (!writer)
        return;
    if (grid_writer_is_ours(writer)) {
        if (writer->has_thread)
            join(writer);
        pthread_cond_destroy(&writer->wakeup);
        pthread_mutex_destroy(&writer->mutex);
    }
    if (writer->current)
        grid_write_free(writer->current);
    free_all(&writer->waiting);
    free_all(&writer->finished);
    close(writer->fd);
    grid_free(writer);
}

bool grid_writer_is_ours(const grid_writer *writer)
{
    return writer->owner == getpid();
}

int grid_writer_fd(const grid_writer *writer)
{
    return writer->fd;
}

static grid_write *new_write(const char *path, grid_slice bytes, grid_error *err)
{
    size_t path_size = strlen(path) + 1;
    grid_write *write = grid_malloc(sizeof *write + path_size + bytes.size);

    if (!write) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    *write = (grid_write){.size = bytes.size, .path_size = path_size};
    memcpy(write->content, path, path_size);
    if (bytes.size)
        memcpy(write->content + path_size, bytes.data, bytes.size);
    return write;
}

static bool is_ready(grid_writer *writer, grid_error *err)
{
    if (!grid_writer_is_ours(writer))
        return grid_error_set(err, GRID_REQUEST, "forked", "the writer belongs to the process that forked this one");
    if (!writer->has_thread && !start_thread(writer))
        return grid_error_set(err, GRID_REQUEST, "no_thread", "the system gives no thread for a writer");
    return true;
}

static grid_write *submit(grid_writer *writer, grid_write *write)
{
    write->id = ++writer->submitted;
    pthread_mutex_lock(&writer->mutex);
    append(&writer->waiting, write);
    pthread_cond_signal(&writer->wakeup);
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

grid_write *grid_writer_replace(grid_writer *writer, const char *path, grid_slice bytes, grid_error *err)
{
    grid_write *write = is_ready(writer, err) ? new_write(path, bytes, err) : NULL;

    return write ? submit(writer, write) : NULL;
}

grid_write *grid_writer_remove(grid_writer *writer, const char *path, grid_error *err)
{
    grid_write *write = is_ready(writer, err) ? new_write(path, (grid_slice){"", 0}, err) : NULL;

    if (!write)
        return NULL;
    write->removes = true;
    return submit(writer, write);
}

grid_write *grid_writer_take_finished(grid_writer *writer)
{
    grid_write *write;
    eventfd_t count;

    if (!grid_writer_is_ours(writer))
        return NULL;
    pthread_mutex_lock(&writer->mutex);
    write = take_first(&writer->finished);
    if (!writer->finished.first)
        eventfd_read(writer->fd, &count); /* EAGAIN if it is not readable */
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

unsigned long long grid_write_id(const grid_write *write)
{
    return write->id;
}

bool grid_write_succeeded(const grid_write *write, grid_error *err)
{
    if (!write->succeeded)
        *err = write->failure;
    return write->succeeded;
}

/* The content is wiped, since it may be a session. */
void grid_write_free(grid_write *write)
{
    grid_wipe(write->content, write->path_size + write->size);
    grid_free(write);
}
