/* The sockets in epoll: one that libcurl has removed stays, is reported once at most,
 * and is gone when it is closed. */
#include "check.h"

#include "base/alloc.h"
#include "http/watch.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct curl_sockaddr datagrams = {.family = AF_INET, .socktype = SOCK_DGRAM};

static grid_watch watch;

static void begin(void)
{
    grid_watch_init(&watch, epoll_create1(EPOLL_CLOEXEC));
}

static void end(void)
{
    close(watch.epoll);
    grid_watch_clear(&watch);
}

/* Events that epoll tells of that descriptor; 0: none. */
static uint32_t told_of(curl_socket_t fd)
{
    struct epoll_event ready[8];
    int i, count = epoll_wait(watch.epoll, ready, 8, 0);

    for (i = 0; i < count; i++)
        if (ready[i].data.fd == fd)
            return ready[i].events;
    return 0;
}

/* A socket that talks to itself, so that it can be made readable. */
static curl_socket_t open_socket(void)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    curl_socket_t fd = grid_watch_open(&watch, &datagrams);

    CHECK(fd >= 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&here, sizeof here), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&here, &size), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&here, sizeof here), 0);
    return fd;
}

static void make_readable(curl_socket_t fd)
{
    CHECK_INT(send(fd, "!", 1, 0), 1);
}

static void a_wanted_socket_is_told_of(void)
{
    curl_socket_t fd;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    CHECK_INT(told_of(fd), 0);
    make_readable(fd);
    CHECK_INT(told_of(fd), EPOLLIN);
    CHECK(grid_watch_is_wanted(&watch, fd));
    CHECK(grid_watch_want(&watch, fd, EPOLLIN | EPOLLOUT, 0));
    CHECK_INT(told_of(fd), EPOLLIN | EPOLLOUT);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

static void a_socket_that_is_left_stays_and_is_told_of_once(void)
{
    curl_socket_t fd;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    grid_watch_leave(&watch, fd);
    make_readable(fd);
    CHECK_INT(told_of(fd), EPOLLIN);
    CHECK(!grid_watch_is_wanted(&watch, fd));
    CHECK_INT(told_of(fd), 0);
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    CHECK_INT(told_of(fd), EPOLLIN);
    CHECK(grid_watch_is_wanted(&watch, fd));
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

static void a_socket_that_can_be_written_to_does_not_stay(void)
{
    curl_socket_t fd;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN | EPOLLOUT, 0));
    CHECK_INT(told_of(fd), EPOLLOUT);
    grid_watch_leave(&watch, fd);
    CHECK_INT(told_of(fd), 0);
    CHECK(grid_watch_want(&watch, fd, EPOLLOUT, 0));
    CHECK_INT(told_of(fd), EPOLLOUT);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

/* A forked child has the parent's sockets open, as `other` does here: closed by the
 * parent alone they would stay in epoll. */
static void a_closed_socket_is_gone_though_another_process_has_it_open(void)
{
    curl_socket_t fd, other;

    begin();
    fd = open_socket();
    other = dup(fd);
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    grid_watch_leave(&watch, fd);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    make_readable(other);
    CHECK_INT(told_of(fd), 0);
    close(other);
    end();
}

static void a_number_that_comes_again_is_another_socket(void)
{
    curl_socket_t fd, again;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    grid_watch_leave(&watch, fd);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    again = open_socket();
    CHECK_INT(again, fd);
    CHECK(grid_watch_want(&watch, again, EPOLLIN, 0));
    make_readable(again);
    CHECK_INT(told_of(again), EPOLLIN);
    CHECK_INT(grid_watch_close(&watch, again), 0);
    end();
}

/* What is sent through `sender` can be read from it. */
static void check_does_not_stay(curl_socket_t fd, int sender)
{
    CHECK(grid_watch_want(&watch, fd, EPOLLIN | EPOLLOUT, 0));
    CHECK_INT(told_of(fd), EPOLLOUT);
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    make_readable(sender);
    CHECK_INT(told_of(fd), EPOLLIN);
    CHECK(grid_watch_is_wanted(&watch, fd));
    grid_watch_leave(&watch, fd);
    CHECK_INT(told_of(fd), 0);
}

static void a_socket_that_was_opened_elsewhere_does_not_stay(void)
{
    curl_socket_t fd;
    int pair[2];

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(pair[0], fd);
    check_does_not_stay(pair[0], pair[1]);
    close(pair[0]);
    close(pair[1]);
    end();
}

static void close_without_a_word(curl_socket_t fd)
{
    CHECK_INT(close(fd), 0);
}

static void a_socket_that_was_closed_without_a_callback_is_forgotten(void)
{
    curl_socket_t fd;
    int pair[2];

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLOUT, 0));
    close_without_a_word(fd);
    grid_watch_leave(&watch, fd);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        CHECK_INT(pair[0], fd);
        CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
        make_readable(pair[1]);
        CHECK_INT(told_of(fd), EPOLLIN);
        grid_watch_leave(&watch, fd);
        CHECK_INT(told_of(fd), 0);
        close(pair[0]);
        close(pair[1]);
    }
    end();
}

static void its_number_is_watched_on_where_it_is_wanted_still(void)
{
    curl_socket_t fd, again;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLOUT, 0));
    close_without_a_word(fd);
    again = open_socket();
    CHECK_INT(again, fd);
    CHECK_INT(told_of(again), EPOLLOUT);
    CHECK(grid_watch_want(&watch, again, EPOLLIN, 0));
    grid_watch_leave(&watch, again);
    close_without_a_word(again);
    CHECK_INT(open_socket(), fd);
    make_readable(fd);
    CHECK_INT(told_of(fd), 0);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

static void its_number_may_be_wanted_in_another_way(void)
{
    int pair[2];
    curl_socket_t fd;

    begin();
    fd = open_socket();
    CHECK(grid_watch_want(&watch, fd, EPOLLIN, 0));
    close_without_a_word(fd);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_INT(pair[0], fd);
    CHECK(grid_watch_want(&watch, fd, EPOLLOUT, 0));
    CHECK_INT(told_of(fd), EPOLLOUT);
    grid_watch_leave(&watch, fd);
    close(pair[0]);
    close(pair[1]);
    end();
}

static bool refuse_all(void)
{
    return false;
}

static void without_memory_a_socket_is_watched_all_the_same(void)
{
    curl_socket_t fd;

    begin();
    grid_alloc_set_gate(refuse_all);
    fd = open_socket();
    grid_alloc_set_gate(NULL);
    check_does_not_stay(fd, fd);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

static void many_sockets_have_a_place_each(void)
{
    enum { MANY = 200 };
    curl_socket_t fds[MANY];
    int i;

    begin();
    for (i = 0; i < MANY; i++) {
        fds[i] = open_socket();
        CHECK(grid_watch_want(&watch, fds[i], EPOLLIN, 0));
        grid_watch_leave(&watch, fds[i]);
    }
    for (i = 0; i < MANY; i++)
        CHECK(!grid_watch_is_wanted(&watch, fds[i]));
    for (i = 0; i < MANY; i++)
        CHECK_INT(grid_watch_close(&watch, fds[i]), 0);
    end();
}

static void a_program_that_is_started_does_not_inherit_a_socket(void)
{
    curl_socket_t fd;

    begin();
    fd = open_socket();
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    CHECK_INT(grid_watch_close(&watch, fd), 0);
    end();
}

int main(void)
{
    long before = grid_alloc_live();

    a_wanted_socket_is_told_of();
    a_socket_that_is_left_stays_and_is_told_of_once();
    a_socket_that_can_be_written_to_does_not_stay();
    a_closed_socket_is_gone_though_another_process_has_it_open();
    a_number_that_comes_again_is_another_socket();
    a_socket_that_was_opened_elsewhere_does_not_stay();
    a_socket_that_was_closed_without_a_callback_is_forgotten();
    its_number_is_watched_on_where_it_is_wanted_still();
    its_number_may_be_wanted_in_another_way();
    without_memory_a_socket_is_watched_all_the_same();
    many_sockets_have_a_place_each();
    a_program_that_is_started_does_not_inherit_a_socket();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
