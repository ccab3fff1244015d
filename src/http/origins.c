#include "http/origins.h"

static int find(const grid_origins *origins, uint64_t origin)
{
    for (int i = 0; i < GRID_ORIGINS_MAX; i++)
        if (origins->table[i] == origin)
            return i;
    return -1;
}

bool grid_origins_has(const grid_origins *origins, uint64_t origin)
{
    return find(origins, origin) >= 0;
}

void grid_origins_add(grid_origins *origins, uint64_t origin)
{
    if (!grid_origins_has(origins, origin))
        origins->table[origins->next++ % GRID_ORIGINS_MAX] = origin;
}

void grid_origins_remove(grid_origins *origins, uint64_t origin)
{
    int at = find(origins, origin);

    if (at >= 0)
        origins->table[at] = 0;
}
