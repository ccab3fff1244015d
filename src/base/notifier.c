#include "base/notifier.h"

#include "base/alloc.h"
#include "base/fork.h"
#include "base/thread.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct grid_notifier {
    unsigned forks; /* see grid_fork_count */
    int epoll;
    int timer;
    int socket;
    in_port_t port; /* in network byte order */
    bool is_connected;
    bool has_thread;
    pthread_t thread;
    atomic_bool is_ending;
    char secret[GRID_NOTIFIER_SECRET];
};

#define RETRY_SECONDS 0.001
#define LONGEST_SECONDS 1e6

/* A time of 0 would disarm the timer. */
static bool set_timer(const grid_notifier *notifier, double seconds)
{
    struct itimerspec time = {.it_value = {.tv_nsec = 1}};

    if (!(seconds < LONGEST_SECONDS))
        seconds = LONGEST_SECONDS;
    if (seconds > 0) {
        time.it_value.tv_sec = (time_t)seconds;
        time.it_value.tv_nsec += (long)((seconds - (double)time.it_value.tv_sec) * 999999998);
    }
    return timerfd_settime(notifier->timer, 0, &time, NULL) == 0;
}

/* ---- The thread -------------------------------------------------------------------- */

/* Without a buffer for the datagram, the timer lets the thread try again. ECONNREFUSED:
 * the receiver has closed its socket. */
static void notify(const grid_notifier *notifier)
{
    if (send(notifier->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != ECONNREFUSED)
        set_timer(notifier, RETRY_SECONDS);
}

static void *run(void *context)
{
    grid_notifier *notifier = context;
    struct epoll_event event;

    for (;;) {
        int count = epoll_wait(notifier->epoll, &event, 1, -1);

        if (atomic_load(&notifier->is_ending))
            return NULL;
        if (count > 0)
            notify(notifier);
    }
}

static bool start_thread(grid_notifier *notifier)
{
    notifier->has_thread = grid_thread_start(&notifier->thread, run, notifier);
    return notifier->has_thread;
}

/* ---- The caller's thread ----------------------------------------------------------- */

static bool open_socket(grid_notifier *notifier)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    notifier->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (notifier->socket < 0 || bind(notifier->socket, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(notifier->socket, (struct sockaddr *)&address, &size) != 0)
        return false;
    notifier->port = address.sin_port;
    return true;
}

/* Edge-triggered: each expiry is one event, and the timer is never read. */
static bool open_epoll(grid_notifier *notifier)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    notifier->epoll = epoll_create1(EPOLL_CLOEXEC);
    notifier->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    return notifier->epoll >= 0 && notifier->timer >= 0 &&
           epoll_ctl(notifier->epoll, EPOLL_CTL_ADD, notifier->timer, &event) == 0;
}

static bool start(grid_notifier *notifier, grid_error *err)
{
    if (!open_socket(notifier) || !open_epoll(notifier))
        return grid_error_set(err, GRID_REQUEST, "no_descriptor",
                              "no file descriptor is left for a notifier: close files, or raise the limit (ulimit -n)");
    if (!start_thread(notifier))
        return grid_error_set(err, GRID_REQUEST, "no_thread", "no thread is left for a notifier: raise the limit (ulimit -u)");
    return true;
}

grid_notifier *grid_notifier_new(const char secret[GRID_NOTIFIER_SECRET], grid_error *err)
{
    grid_notifier *notifier = grid_calloc(sizeof *notifier);

    if (!notifier) {
        grid_error_out_of_memory(err);
        return NULL;
    }
    notifier->forks = grid_fork_count();
    notifier->epoll = notifier->timer = notifier->socket = -1;
    atomic_init(&notifier->is_ending, false);
    memcpy(notifier->secret, secret, sizeof notifier->secret);
    if (start(notifier, err))
        return notifier;
    grid_notifier_free(notifier);
    return NULL;
}

static bool is_ours(const grid_notifier *notifier)
{
    return notifier->forks == grid_fork_count();
}

static void close_opened(int fd)
{
    if (fd >= 0)
        close(fd);
}

void grid_notifier_free(grid_notifier *notifier)
{
    if (!notifier)
        return;
    if (notifier->has_thread && is_ours(notifier)) {
        atomic_store(&notifier->is_ending, true);
        set_timer(notifier, 0);
        pthread_join(notifier->thread, NULL);
    }
    close_opened(notifier->socket);
    close_opened(notifier->epoll);
    close_opened(notifier->timer);
    grid_free(notifier);
}

int grid_notifier_port(const grid_notifier *notifier)
{
    return ntohs(notifier->port);
}

enum { MOST_DATAGRAMS = 16 };

/* Reads the datagrams that have arrived, until one is the secret. A connected UDP socket
 * receives datagrams of its peer only. */
static bool has_receiver(grid_notifier *notifier)
{
    char bytes[GRID_NOTIFIER_SECRET + 1];
    struct sockaddr_in sender;

    for (int i = 0; i < MOST_DATAGRAMS && !notifier->is_connected; i++) {
        socklen_t length = sizeof sender;
        ssize_t size = recvfrom(notifier->socket, bytes, sizeof bytes, 0, (struct sockaddr *)&sender, &length);

        if (size < 0)
            return false;
        if (size == GRID_NOTIFIER_SECRET && memcmp(bytes, notifier->secret, GRID_NOTIFIER_SECRET) == 0)
            notifier->is_connected = connect(notifier->socket, (struct sockaddr *)&sender, length) == 0;
    }
    return notifier->is_connected;
}

/* A closed descriptor leaves epoll by itself, so `fd` may be another one with the same
 * number. */
static bool polls(const grid_notifier *notifier, int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};

    return epoll_ctl(notifier->epoll, EPOLL_CTL_MOD, fd, &event) == 0 ||
           (errno == ENOENT && epoll_ctl(notifier->epoll, EPOLL_CTL_ADD, fd, &event) == 0);
}

bool grid_notifier_arm(grid_notifier *notifier, int fd, double seconds)
{
    return is_ours(notifier) && has_receiver(notifier) && set_timer(notifier, seconds) && polls(notifier, fd);
}

void grid_notifier_send(const grid_notifier *notifier)
{
    if (notifier->is_connected && is_ours(notifier))
        notify(notifier);
}
