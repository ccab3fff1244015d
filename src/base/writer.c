#include "base/writer.h"

#include "base/alloc.h"
#include "base/fork.h"
#include "base/thread.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct grid_write {
    grid_write *next;
    unsigned long long id;
    bool removes; /* false: replaces */
    grid_swap_result result;
    grid_error failure;
    grid_swap swap; /* points into the content */
    size_t size;    /* of the content */
    char content[]; /* path, temporary folder, expected, bytes */
};

typedef struct queue {
    grid_write *first;
    grid_write **last;
} queue;

/* One of the threads of a writer. */
typedef struct worker {
    grid_writer *writer;
    pthread_t thread;
    grid_write *current; /* being executed; guarded by the writer's mutex */
} worker;

struct grid_writer {
    unsigned forks; /* see grid_fork_count */
    int fd; /* an eventfd */
    unsigned most_threads, threads;
    worker workers[GRID_WRITER_MOST_THREADS];
    unsigned long long submitted;
    pthread_mutex_t mutex; /* guards the members below */
    pthread_cond_t wakeup;
    bool is_ending;
    size_t unfinished; /* waiting, or being executed */
    queue waiting;
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

/* ---- The threads ------------------------------------------------------------------- */

/* Waits for the next write. NULL: the writer is being freed, and no write waits. */
static grid_write *wait_for_write(worker *self)
{
    grid_writer *writer = self->writer;
    grid_write *write;

    pthread_mutex_lock(&writer->mutex);
    while (!writer->waiting.first && !writer->is_ending)
        pthread_cond_wait(&writer->wakeup, &writer->mutex);
    write = self->current = take_first(&writer->waiting);
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

static void finish(worker *self, grid_write *write)
{
    grid_writer *writer = self->writer;

    pthread_mutex_lock(&writer->mutex);
    self->current = NULL;
    writer->unfinished--;
    if (!writer->finished.first)
        eventfd_write(writer->fd, 1); /* take_finished sets the count to 0 again */
    append(&writer->finished, write);
    pthread_mutex_unlock(&writer->mutex);
}

static grid_swap_result execute(grid_write *write)
{
    const grid_swap *swap = &write->swap;

    return write->removes ? grid_swap_remove(swap->path, swap->expected, &write->failure)
                          : grid_swap_replace(swap, &write->failure);
}

/* The threads allocate no memory with base/alloc.h, since the gate for tests works on one
 * thread only. */
static void *run(void *context)
{
    worker *self = context;
    grid_write *write;

    while ((write = wait_for_write(self))) {
        write->result = execute(write);
        finish(self, write);
    }
    return NULL;
}

static bool start_thread(grid_writer *writer)
{
    worker *next = &writer->workers[writer->threads];

    next->writer = writer;
    if (!grid_thread_start(&next->thread, run, next))
        return false;
    writer->threads++;
    return true;
}

/* ---- The caller's thread ----------------------------------------------------------- */

grid_writer *grid_writer_new(unsigned most_threads, grid_error *err)
{
    grid_writer *writer = grid_calloc(sizeof *writer);

    if (!writer) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    writer->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->fd < 0) {
        grid_error_set(err, GRID_REQUEST, "no_descriptor",
                       "no file descriptor is left for a writer: close files, or raise the limit (ulimit -n)");
        grid_free(writer);
        return NULL;
    }
    writer->forks = grid_fork_count();
    writer->most_threads = most_threads;
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
    pthread_cond_broadcast(&writer->wakeup);
    pthread_mutex_unlock(&writer->mutex);
    for (unsigned i = 0; i < writer->threads; i++)
        pthread_join(writer->workers[i].thread, NULL);
}

/* In a child the mutex may stay locked, so it is not destroyed; the writes that were
 * being executed never finish, so they are freed. */
void grid_writer_free(grid_writer *writer)
{
    if (!writer)
        return;
    if (grid_writer_is_ours(writer)) {
        join(writer);
        pthread_cond_destroy(&writer->wakeup);
        pthread_mutex_destroy(&writer->mutex);
    }
    for (unsigned i = 0; i < writer->threads; i++)
        if (writer->workers[i].current)
            grid_write_free(writer->workers[i].current);
    free_all(&writer->waiting);
    free_all(&writer->finished);
    close(writer->fd);
    grid_free(writer);
}

bool grid_writer_is_ours(const grid_writer *writer)
{
    return writer->forks == grid_fork_count();
}

int grid_writer_fd(const grid_writer *writer)
{
    return writer->fd;
}

/* Copies the bytes to `to`, behind what lies there. */
static grid_slice copy(char *content, size_t *to, grid_slice bytes)
{
    char *start = content + *to;

    if (!bytes.data)
        return bytes;
    if (bytes.size)
        memcpy(start, bytes.data, bytes.size);
    *to += bytes.size;
    return (grid_slice){start, bytes.size};
}

static const char *copy_text(char *content, size_t *to, const char *text)
{
    return copy(content, to, (grid_slice){text, strlen(text) + 1}).data;
}

/* A write with a copy of all that `swap` points to. */
static grid_write *new_write(const grid_swap *swap, grid_error *err)
{
    const char *folder = swap->temporary_folder ? swap->temporary_folder : "";
    size_t size = strlen(swap->path) + 1 + strlen(folder) + 1 + swap->expected.size + swap->bytes.size, used = 0;
    grid_write *write = grid_malloc(sizeof *write + size);

    if (!write) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    *write = (grid_write){.size = size, .swap = *swap};
    write->swap.path = copy_text(write->content, &used, swap->path);
    write->swap.temporary_folder = copy_text(write->content, &used, folder);
    write->swap.expected = copy(write->content, &used, swap->expected);
    write->swap.bytes = copy(write->content, &used, swap->bytes);
    return write;
}

/* A thread for the next write, unless one of the others is free or takes it next. Without
 * a further thread the write waits for one of the others. */
static bool ensure_thread(grid_writer *writer)
{
    size_t unfinished;

    pthread_mutex_lock(&writer->mutex);
    unfinished = writer->unfinished;
    pthread_mutex_unlock(&writer->mutex);
    return unfinished < writer->threads || writer->threads == writer->most_threads || start_thread(writer) ||
           writer->threads > 0;
}

static bool is_ready(grid_writer *writer, grid_error *err)
{
    if (!grid_writer_is_ours(writer))
        return grid_error_set(err, GRID_REQUEST, "forked", "the writer belongs to the process that forked this one");
    if (!ensure_thread(writer))
        return grid_error_set(err, GRID_REQUEST, "no_thread", "no thread is left for a writer: raise the limit (ulimit -u)");
    return true;
}

static grid_write *submit(grid_writer *writer, grid_write *write)
{
    write->id = ++writer->submitted;
    pthread_mutex_lock(&writer->mutex);
    append(&writer->waiting, write);
    writer->unfinished++;
    pthread_mutex_unlock(&writer->mutex);
    pthread_cond_signal(&writer->wakeup); /* a thread wakes up to a free mutex */
    return write;
}

static grid_write *start(grid_writer *writer, const grid_swap *swap, bool removes, grid_error *err)
{
    grid_write *write = is_ready(writer, err) ? new_write(swap, err) : NULL;

    if (!write)
        return NULL;
    write->removes = removes;
    return submit(writer, write);
}

grid_write *grid_writer_replace_if(grid_writer *writer, const grid_swap *swap, grid_error *err)
{
    return start(writer, swap, false, err);
}

grid_write *grid_writer_remove_if(grid_writer *writer, const char *path, grid_slice expected, grid_error *err)
{
    return start(writer, &(grid_swap){.path = path, .expected = expected}, true, err);
}

grid_write *grid_writer_take_finished(grid_writer *writer)
{
    grid_write *write;
    eventfd_t count;

    if (!grid_writer_is_ours(writer))
        return NULL;
    pthread_mutex_lock(&writer->mutex);
    write = take_first(&writer->finished);
    if (write && !writer->finished.first)
        eventfd_read(writer->fd, &count);
    pthread_mutex_unlock(&writer->mutex);
    return write;
}

unsigned long long grid_write_id(const grid_write *write)
{
    return write->id;
}

grid_swap_result grid_write_result(const grid_write *write, grid_error *err)
{
    if (write->result == GRID_SWAP_FAILED)
        *err = write->failure;
    return write->result;
}

/* The content is wiped, since it may be a session. */
void grid_write_free(grid_write *write)
{
    grid_wipe(write->content, write->size);
    grid_free(write);
}
