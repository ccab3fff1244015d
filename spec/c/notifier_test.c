/* The notifier's thread: one datagram for each time that it is armed, to the socket that
 * knows the secret; and no descriptor or thread is left. */
#define _GNU_SOURCE

#include "check.h"
#include "child.h"
#include "threads.h"

#include "base/alloc.h"
#include "base/notifier.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

static const char SECRET[] = "0123456789abcdef";

enum { LONG = 60000, SHORT = 20 }; /* milliseconds: nothing happens within SHORT */

#define MINUTE 60.0

static grid_notifier *new_notifier(void)
{
    grid_error err;
    grid_notifier *notifier = grid_notifier_new(SECRET, &err);

    CHECK(notifier != NULL);
    return notifier;
}

static int connect_to(const grid_notifier *notifier)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)grid_notifier_port(notifier)),
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void say(int receiver, const char *bytes, size_t size)
{
    CHECK(send(receiver, bytes, size, 0) == (ssize_t)size);
}

static int new_receiver(const grid_notifier *notifier)
{
    int fd = connect_to(notifier);

    say(fd, SECRET, GRID_NOTIFIER_SECRET);
    return fd;
}

static bool receives(int receiver, int milliseconds)
{
    struct pollfd one = {.fd = receiver, .events = POLLIN};
    char byte;

    return poll(&one, 1, milliseconds) == 1 && recv(receiver, &byte, 1, 0) == 1;
}

static void each_arming_sends_one_datagram_once_the_descriptor_is_readable(void)
{
    grid_notifier *notifier = new_notifier();
    int receiver = new_receiver(notifier), polled = eventfd(0, EFD_CLOEXEC);

    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(!receives(receiver, SHORT));
    eventfd_write(polled, 1);
    CHECK(receives(receiver, LONG));
    CHECK(!receives(receiver, SHORT)); /* although it still is readable */
    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(receives(receiver, LONG));
    close(polled);
    close(receiver);
    grid_notifier_free(notifier);
}

static void a_datagram_comes_when_the_time_is_over_or_is_asked_for(void)
{
    grid_notifier *notifier = new_notifier();
    int receiver = new_receiver(notifier), polled = eventfd(0, EFD_CLOEXEC);
    const double times[] = {0.001, 0, -1};

    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        CHECK(grid_notifier_arm(notifier, polled, times[i]));
        CHECK(receives(receiver, LONG));
    }
    CHECK(grid_notifier_arm(notifier, polled, 1e300));
    CHECK(!receives(receiver, SHORT));
    grid_notifier_send(notifier);
    CHECK(receives(receiver, LONG));
    close(polled);
    close(receiver);
    grid_notifier_free(notifier);
}

static void a_socket_without_the_secret_receives_nothing(void)
{
    grid_notifier *notifier = new_notifier();
    int polled = eventfd(1, EFD_CLOEXEC), stranger = connect_to(notifier), receiver;

    CHECK(!grid_notifier_arm(notifier, polled, 0));
    say(stranger, "0123456789abcdeX", GRID_NOTIFIER_SECRET);
    say(stranger, "0123456789abcdef0", GRID_NOTIFIER_SECRET + 1);
    say(stranger, SECRET, GRID_NOTIFIER_SECRET - 1);
    say(stranger, "", 0);
    CHECK(!grid_notifier_arm(notifier, polled, 0));
    grid_notifier_send(notifier);
    CHECK(!receives(stranger, SHORT));
    receiver = new_receiver(notifier);
    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(receives(receiver, LONG));
    CHECK(!receives(stranger, SHORT));
    close(polled);
    close(stranger);
    close(receiver);
    grid_notifier_free(notifier);
}

static void a_descriptor_may_be_closed_and_its_number_used_again(void)
{
    grid_notifier *notifier = new_notifier();
    int receiver = new_receiver(notifier), polled = eventfd(0, EFD_CLOEXEC), first = polled;

    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    close(polled);
    CHECK(!grid_notifier_arm(notifier, polled, MINUTE));
    polled = eventfd(1, EFD_CLOEXEC);
    CHECK_INT(polled, first);
    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(receives(receiver, LONG));
    close(polled);
    close(receiver);
    grid_notifier_free(notifier);
}

static void a_receiver_that_is_closed_disturbs_nothing(void)
{
    grid_notifier *notifier = new_notifier();
    int receiver = new_receiver(notifier), polled = eventfd(1, EFD_CLOEXEC);

    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(receives(receiver, LONG));
    close(receiver);
    for (int i = 0; i < 3; i++) {
        grid_notifier_arm(notifier, polled, 0);
        grid_notifier_send(notifier);
    }
    close(polled);
    grid_notifier_free(notifier);
}

static void nothing_is_left_of_a_freed_notifier(void)
{
    int files = count_entries("/proc/self/fd"), threads = count_entries("/proc/self/task");
    grid_notifier *notifier = new_notifier();

    CHECK_INT(count_entries("/proc/self/task"), threads + 1);
    CHECK(count_entries("/proc/self/fd") > files);
    grid_notifier_free(notifier);
    CHECK_INT(count_entries("/proc/self/task"), threads);
    CHECK_INT(count_entries("/proc/self/fd"), files);
    grid_notifier_free(NULL);
}

static void a_signal_of_the_process_is_handled_by_the_caller(void)
{
    grid_notifier *notifier = new_notifier();

    check_signal_is_the_callers(SHORT);
    grid_notifier_free(notifier);
}

static void in_child(void *context)
{
    int polled = eventfd(1, EFD_CLOEXEC);

    CHECK(!grid_notifier_arm(context, polled, 0));
    grid_notifier_send(context);
    grid_notifier_free(context);
}

static void a_forked_child_sends_nothing_and_its_parent_goes_on(void)
{
    grid_notifier *notifier = new_notifier();
    int receiver = new_receiver(notifier), polled = eventfd(0, EFD_CLOEXEC);

    CHECK(grid_notifier_arm(notifier, polled, MINUTE));
    CHECK(check_child(in_child, notifier));
    CHECK(!receives(receiver, SHORT));
    eventfd_write(polled, 1);
    CHECK(receives(receiver, LONG));
    close(polled);
    close(receiver);
    grid_notifier_free(notifier);
}

static bool no_memory(void)
{
    return false;
}

static void what_the_system_refuses_is_told(void)
{
    int files = count_entries("/proc/self/fd");
    struct rlimit limit, lower;
    grid_error err = {0};

    grid_alloc_set_gate(no_memory);
    CHECK(grid_notifier_new(SECRET, &err) == NULL);
    CHECK_STR(err.code, "out_of_memory");
    grid_alloc_set_gate(NULL);
    getrlimit(RLIMIT_NOFILE, &limit);
    for (int more = 0; more < 3; more++) {
        int next = dup(0);

        close(next);
        lower = limit;
        lower.rlim_cur = (rlim_t)next + (rlim_t)more;
        setrlimit(RLIMIT_NOFILE, &lower);
        CHECK(grid_notifier_new(SECRET, &err) == NULL);
        CHECK_STR(err.code, "no_descriptor");
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    CHECK_INT(count_entries("/proc/self/fd"), files);
}

/* No stack of that size can be mapped. */
static void without_a_thread_there_is_no_notifier(void)
{
    int files = count_entries("/proc/self/fd");
    pthread_attr_t before, huge;
    grid_error err = {0};

    pthread_getattr_default_np(&before);
    pthread_getattr_default_np(&huge);
    CHECK(pthread_attr_setstacksize(&huge, (size_t)1 << 46) == 0);
    CHECK(pthread_setattr_default_np(&huge) == 0);
    CHECK(grid_notifier_new(SECRET, &err) == NULL);
    CHECK_STR(err.code, "no_thread");
    pthread_setattr_default_np(&before);
    CHECK_INT(count_entries("/proc/self/fd"), files);
}

int main(void)
{
    long before = grid_alloc_live();

    each_arming_sends_one_datagram_once_the_descriptor_is_readable();
    a_datagram_comes_when_the_time_is_over_or_is_asked_for();
    a_socket_without_the_secret_receives_nothing();
    a_descriptor_may_be_closed_and_its_number_used_again();
    a_receiver_that_is_closed_disturbs_nothing();
    nothing_is_left_of_a_freed_notifier();
    a_signal_of_the_process_is_handled_by_the_caller();
    a_forked_child_sends_nothing_and_its_parent_goes_on();
    what_the_system_refuses_is_told();
    without_a_thread_there_is_no_notifier();
    CHECK_INT(grid_alloc_live(), before);
    return check_report();
}
