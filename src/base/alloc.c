#include "base/alloc.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long live;
static bool (*may_allocate)(void);

static void *counted(void *block)
{
    if (block)
        atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return block;
}

static bool refused(void)
{
    return may_allocate && !may_allocate();
}

void *grid_malloc(size_t size)
{
    return refused() ? NULL : counted(malloc(size ? size : 1));
}

void *grid_calloc(size_t size)
{
    return refused() ? NULL : counted(calloc(1, size ? size : 1));
}

void grid_free(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(block);
}

void grid_wipe(void *memory, size_t size)
{
    static void *(*const volatile set)(void *, int, size_t) = memset;

    if (size)
        set(memory, 0, size);
}

long grid_alloc_live(void)
{
    return atomic_load_explicit(&live, memory_order_relaxed);
}

void grid_alloc_set_gate(bool (*gate)(void))
{
    may_allocate = gate;
}
