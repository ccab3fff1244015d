/* An HTTP server of one thread for the tests of the engine: it lives beside the engine
 * in the test's own loop.
 *
 * Owns: a listening socket on loopback and the connections it accepted. It reads
 * requests to their end, counts them, and answers each with the same bytes, whatever
 * was asked; the test says which bytes, and what follows.
 * Does not know: the core. Allocates no memory, so that a test may make every
 * allocation fail. */
#ifndef GRID_SPEC_LOOPBACK_H
#define GRID_SPEC_LOOPBACK_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LOOPBACK_CONNECTIONS = 128, LOOPBACK_REQUEST = 4096 };

typedef enum loopback_then {
    LOOPBACK_KEEP,  /* the connection stays open for the next request */
    LOOPBACK_CLOSE, /* closed once the answer is out */
    LOOPBACK_DRIP   /* one byte of the answer in each step */
} loopback_then;

typedef struct loopback_connection {
    int fd; /* -1: free */
    size_t got, sent;
    bool answering;
    char request[LOOPBACK_REQUEST + 1];
} loopback_connection;

typedef struct loopback {
    int listener;
    int port;
    const char *answer; /* NULL: silence */
    size_t answer_size;
    loopback_then then;
    int accepted, executed;
    char last_request[LOOPBACK_REQUEST + 1];
    loopback_connection connections[LOOPBACK_CONNECTIONS];
} loopback;

#define LOOPBACK_OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

static inline void loopback_answer(loopback *server, const char *answer, loopback_then then)
{
    server->answer = answer;
    server->answer_size = answer ? strlen(answer) : 0;
    server->then = then;
    server->accepted = server->executed = 0;
}

static inline void loopback_open(loopback *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(server->listener, LOOPBACK_CONNECTIONS) != 0 ||
        getsockname(server->listener, (struct sockaddr *)&address, &size) != 0) {
        perror("loopback");
        exit(2);
    }
    server->port = ntohs(address.sin_port);
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++)
        server->connections[i].fd = -1;
    loopback_answer(server, LOOPBACK_OK, LOOPBACK_KEEP);
}

static inline void loopback_hang_up(loopback_connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
}

static inline void loopback_close(loopback *server)
{
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++)
        loopback_hang_up(&server->connections[i]);
    close(server->listener);
}

static inline void loopback_accept(loopback *server)
{
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++) {
        loopback_connection *connection = &server->connections[i];
        if (connection->fd >= 0)
            continue;
        connection->fd = accept(server->listener, NULL, NULL);
        if (connection->fd < 0)
            return;
        fcntl(connection->fd, F_SETFL, O_NONBLOCK);
        connection->got = connection->sent = 0;
        connection->answering = false;
        server->accepted++;
    }
}

static inline bool loopback_is_whole(const loopback_connection *connection)
{
    const char *end = strstr(connection->request, "\r\n\r\n");
    const char *length = strstr(connection->request, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;

    return end && connection->got >= (size_t)(end + 4 - connection->request) + body;
}

static inline void loopback_read(loopback *server, loopback_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->request + connection->got, LOOPBACK_REQUEST - connection->got, 0);

    if (got == 0) {
        loopback_hang_up(connection);
        return;
    }
    connection->got += got > 0 ? (size_t)got : 0;
    connection->request[connection->got] = '\0';
    if (!loopback_is_whole(connection))
        return;
    memcpy(server->last_request, connection->request, connection->got + 1);
    server->executed++;
    connection->got = connection->sent = 0;
    connection->answering = server->answer != NULL;
}

static inline void loopback_write(const loopback *server, loopback_connection *connection)
{
    size_t left = server->answer_size - connection->sent;
    size_t portion = server->then == LOOPBACK_DRIP && left > 1 ? 1 : left;
    ssize_t sent = send(connection->fd, server->answer + connection->sent, portion, MSG_NOSIGNAL);

    connection->sent += sent > 0 ? (size_t)sent : 0;
    if (connection->sent < server->answer_size)
        return;
    connection->answering = false;
    if (server->then == LOOPBACK_CLOSE)
        loopback_hang_up(connection);
}

/* Does what can be done now, and never blocks. */
static inline void loopback_step(loopback *server)
{
    loopback_accept(server);
    for (int i = 0; i < LOOPBACK_CONNECTIONS; i++) {
        loopback_connection *connection = &server->connections[i];
        if (connection->fd >= 0 && !connection->answering)
            loopback_read(server, connection);
        if (connection->fd >= 0 && connection->answering)
            loopback_write(server, connection);
    }
}

#endif
