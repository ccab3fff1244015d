/* The notifier polls a descriptor on a thread of its own and sends a datagram when the
 * descriptor is readable, for an event loop that polls no descriptors but its own
 * sockets, as that of nginx.
 *
 * Owns: the thread, an epoll descriptor, a timerfd, and a UDP socket on the loopback
 * interface, from creation until the notifier is freed.
 * Does not know: the receiver's socket, and the owner of the polled descriptor. In a
 * child of the process that made the notifier, it is inert: fork() copies no thread. */
#ifndef GRID_BASE_NOTIFIER_H
#define GRID_BASE_NOTIFIER_H

#include "base/error.h"

#include <stdbool.h>

enum { GRID_NOTIFIER_SECRET = 16 };

typedef struct grid_notifier grid_notifier;

/* The receiver is the UDP socket that sends the secret to the port of 127.0.0.1. Fails
 * with kind "request": "out_of_memory", "no_descriptor", "no_thread". */
grid_notifier *grid_notifier_new(const char secret[GRID_NOTIFIER_SECRET], grid_error *err);
void grid_notifier_free(grid_notifier *notifier);
int grid_notifier_port(const grid_notifier *notifier);

/* Sends a datagram when `fd` is readable, and one when `seconds` have passed, unless they
 * are armed again before. Never blocks. False: no datagram will be sent, since the secret
 * has not arrived yet, `fd` cannot be polled, or the notifier belongs to another
 * process. */
bool grid_notifier_arm(grid_notifier *notifier, int fd, double seconds);

/* Sends a datagram now, if the secret has arrived. */
void grid_notifier_send(const grid_notifier *notifier);

#endif
