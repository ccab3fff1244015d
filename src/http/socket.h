/* Opens a socket for libcurl, with SOCK_CLOEXEC: a program that this process executes
 * does not inherit the socket, and cannot keep the connection open.
 * Owns: nothing. Does not know: connections. */
#ifndef GRID_HTTP_SOCKET_H
#define GRID_HTTP_SOCKET_H

#include <curl/curl.h>

#include <sys/socket.h>

static inline curl_socket_t grid_socket_open(const struct curl_sockaddr *address)
{
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

#endif
