/* The table of connections tells two of them apart that have the same ports: the kernel
 * gives connections to different addresses the same local port. */
#include "check.h"

#include "base/alloc.h"
#include "http/connections.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct pair {
    int listener, client, peer;
} pair;

static struct sockaddr_in at(const char *address, int port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    inet_pton(AF_INET, address, &name.sin_addr);
    return name;
}

/* A socket that is bound there; 0: to any port. *port becomes its port. */
static int bound(const char *address, int *port)
{
    struct sockaddr_in name = at(address, *port);
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(bind(fd, (struct sockaddr *)&name, size) == 0);
    getsockname(fd, (struct sockaddr *)&name, &size);
    *port = ntohs(name.sin_port);
    return fd;
}

static void join(pair *ends, const char *address, int port)
{
    struct sockaddr_in name = at(address, port);

    CHECK(connect(ends->client, (struct sockaddr *)&name, sizeof name) == 0);
    ends->peer = accept(ends->listener, NULL, NULL);
}

static void leave(const pair *ends)
{
    close(ends->peer);
    close(ends->client);
    close(ends->listener);
}

static bool take(grid_connections *connections, const char *remote_address, int local_port, int remote_port, grid_lease *lease)
{
    CURL *easy = curl_easy_init();
    const grid_ends ends = {"127.0.0.1", remote_address, local_port, remote_port};
    bool is_fit = grid_connections_take(connections, easy, false, &ends, lease);

    curl_easy_cleanup(easy);
    return is_fit;
}

static void check_pairs(const pair *quiet, const pair *noisy, int local_port, int remote_port)
{
    grid_connections connections;
    grid_lease lease = {0};

    grid_connections_init(&connections);
    CHECK(grid_connections_add(&connections, quiet->client) && grid_connections_add(&connections, noisy->client));
    CHECK(send(noisy->peer, "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(take(&connections, "127.0.0.1", local_port, remote_port, &lease));
    CHECK_INT(lease.fd, quiet->client);
    grid_connections_release(&connections, &lease);
    CHECK(!take(&connections, "127.0.0.2", local_port, remote_port, &lease)); /* has input */
    CHECK(take(&connections, "127.0.0.1", local_port, remote_port, &lease));
    CHECK_INT(lease.fd, quiet->client);
    grid_connections_release(&connections, &lease);
    grid_connections_clear(&connections);
}

int main(void)
{
    int remote_port = 0, local_port = 0;
    long before = grid_alloc_live();
    pair one, other;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    one.listener = bound("127.0.0.1", &remote_port);
    other.listener = bound("127.0.0.2", &remote_port);
    one.client = bound("127.0.0.1", &local_port);
    other.client = bound("127.0.0.1", &local_port);
    CHECK(listen(one.listener, 1) == 0 && listen(other.listener, 1) == 0);
    join(&one, "127.0.0.1", remote_port);
    join(&other, "127.0.0.2", remote_port);
    check_pairs(&one, &other, local_port, remote_port);
    leave(&one);
    leave(&other);
    CHECK_INT(grid_alloc_live(), before);
    curl_global_cleanup();
    return check_report();
}
