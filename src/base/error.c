#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool grid_error_set(grid_error *err, grid_kind kind, const char *code, const char *format, ...)
{
    va_list arguments;

    err->kind = kind;
    snprintf(err->code, sizeof err->code, "%s", code);
    va_start(arguments, format);
    vsnprintf(err->message, sizeof err->message, format, arguments);
    va_end(arguments);
    return false;
}

bool grid_error_out_of_memory(grid_error *err)
{
    return grid_error_set(err, GRID_REQUEST, "out_of_memory", "not enough memory");
}

bool grid_error_of_file(grid_error *err, const char *code, const char *what, const char *path)
{
    return grid_error_set(err, GRID_STORE, code, "%s %.120s: %s", what, path, strerror(errno));
}

bool grid_error_not_read(grid_error *err, const char *path)
{
    return grid_error_of_file(err, "not_read", "cannot read", path);
}

const char *grid_kind_name(grid_kind kind)
{
    static const char *const names[] = {
        [GRID_REQUEST] = "request",   [GRID_NETWORK] = "network", [GRID_TIMEOUT] = "timeout",
        [GRID_TLS] = "tls",           [GRID_PROTOCOL] = "protocol", [GRID_CRYPTO] = "crypto",
        [GRID_STORE] = "store",
    };
    return names[kind];
}
