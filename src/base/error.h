/* Errors of the C core, with the messages that users of the Lua module read.
 *
 * Owns: the kinds of failure, a stable machine name (`code`) and a message of one line.
 * Does not know: Lua, HTTP status codes, libcurl's and OpenSSL's numbers.
 * A grid_error is a plain value in the caller's frame; it owns no memory and is not
 * freed. */
#ifndef GRID_BASE_ERROR_H
#define GRID_BASE_ERROR_H

#include <stdbool.h>

typedef enum grid_kind {
    GRID_REQUEST,  /* the request cannot be sent */
    GRID_NETWORK,  /* name, connection, broken stream */
    GRID_TIMEOUT,  /* a deadline has passed */
    GRID_TLS,      /* handshake or certificate */
    GRID_PROTOCOL, /* an invalid answer */
    GRID_CRYPTO,   /* an invalid key, ciphertext or signature */
    GRID_STORE     /* a file cannot be read, locked or written */
} grid_kind;

typedef struct grid_error {
    grid_kind kind;
    char code[40];
    char message[216];
} grid_error;

/* Fills *err and returns false, so that a function can end with `return
 * grid_error_set(…)`. The message must not contain bytes of a key, a token or a
 * payload. */
bool grid_error_set(grid_error *err, grid_kind kind, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

bool grid_error_out_of_memory(grid_error *err);

/* "`what` `path`: the text of errno", of the kind GRID_STORE. Returns false. */
bool grid_error_of_file(grid_error *err, const char *code, const char *what, const char *path);

/* The same with code "not_read" and "cannot read". */
bool grid_error_not_read(grid_error *err, const char *path);

/* The kind's name in the public interface: "request", "network", … */
const char *grid_kind_name(grid_kind kind);

#endif
