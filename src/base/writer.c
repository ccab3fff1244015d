#include "base/writer.h"

#include "base/alloc.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct grid_write {
    grid_write *next;
    grid_file *file;
    bool succeeded;
    grid_error failure;
    size_t size;
    char bytes[];
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
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t wakeup;
    bool is_ending;
    queue waiting;
    grid_write *current; /* of the thread */
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

/* The next write; NULL: the writer ends, and all are done. */
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
    eventfd_write(writer->fd, 1); /* cannot block: take_finished reads the count down to zero */
    pthread_mutex_unlock(&writer->mutex);
}

/* Allocates and frees nothing: the test of failing allocations is for one thread. */
static void *run(void *context)
{
    grid_writer *writer = context;
    grid_write *write;

    while ((write = wait_for_write(writer))) {
        write->succeeded = grid_file_commit(write->file, (grid_slice){write->bytes, write->size},
                                            &write->failure);
        finish(writer, write);
    }
    return NULL;
}

/* The host's signal handlers run in its own threads. */
static bool start_thread(grid_writer *writer)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    writer->has_thread = pthread_create(&writer->thread, NULL, run, writer) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return writer->has_thread;
}

/* ---- The caller's side ------------------------------------------------------------- */

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

/* In a child the mutex may be locked for ever, and the current write is never
 * finished. */
void grid_writer_free(grid_writer *writer)
{
    if (!writer)
        return;
    if (writer->owner == getpid()) {
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

int grid_writer_fd(const grid_writer *writer)
{
    return writer->fd;
}

static grid_write *new_write(grid_file *file, grid_slice bytes, grid_error *err)
{
    grid_write *write = grid_malloc(sizeof *write + bytes.size);

    if (!write) {
        grid_file_free(file);
        grid_error_out_of_memory(err);
        return NULL;
    }
    memset(write, 0, sizeof *write);
    write->file = file;
    write->size = bytes.size;
    if (bytes.size)
        memcpy(write->bytes, bytes.data, bytes.size);
    return write;
}

static bool is_ready(grid_writer *writer, grid_error *err)
{
    if (writer->owner != getpid())
        return grid_error_set(err, GRID_REQUEST, "forked", "the writer belongs to the process that forked this one");
    if (!writer->has_thread && !start_thread(writer))
        return grid_error_set(err, GRID_REQUEST, "no_thread", "the system gives no thread for a writer");
    return true;
}

grid_write *grid_writer_start(grid_writer *writer, grid_file *file, grid_slice bytes, grid_error *err)
{
    grid_write *write;

    if (!is_ready(writer, err)) {
        grid_file_free(file);
        return NULL;
    }
    write = new_write(file, bytes, err);
    if (!write)
        return NULL;
    pthread_mutex_lock(&writer->mutex);
    append(&writer->waiting, write);
    pthread_cond_signal(&writer->wakeup);
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

grid_write *grid_writer_take_finished(grid_writer *writer)
{
    grid_write *write;
    eventfd_t count;

    if (writer->owner != getpid())
        return NULL;
    pthread_mutex_lock(&writer->mutex);
    write = take_first(&writer->finished);
    if (!writer->finished.first)
        eventfd_read(writer->fd, &count); /* EAGAIN if it is not readable */
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

bool grid_write_succeeded(const grid_write *write, grid_error *err)
{
    if (!write->succeeded)
        *err = write->failure;
    return write->succeeded;
}

/* The bytes are those of a session. */
void grid_write_free(grid_write *write)
{
    grid_file_free(write->file);
    grid_wipe(write->bytes, write->size);
    grid_free(write);
}
