#include "http/fd_table.h"

#include "base/alloc.h"

#include <string.h>

enum { FIRST_SIZE = 64 };

void *grid_fd_table_grow(void *table, int *size, size_t element, int fd)
{
    int needed = *size ? *size : FIRST_SIZE;
    void *grown;

    while (needed <= fd)
        needed *= 2;
    grown = grid_calloc((size_t)needed * element);
    if (!grown)
        return NULL;
    if (*size)
        memcpy(grown, table, (size_t)*size * element);
    grid_free(table);
    *size = needed;
    return grown;
}
