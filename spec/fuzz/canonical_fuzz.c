/* A canonical form is JSON, and its own canonical form. */
#include "base/alloc.h"
#include "text/canonical.h"
#include "text/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool held)
{
    if (!held)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    grid_slice text = {(const char *)data, size};
    long live = grid_alloc_live();
    grid_buffer once, twice;
    grid_error err;

    grid_buffer_init(&once, 32 * size + 32);
    if (grid_canonicalize(text, &once, &err)) {
        grid_slice canonical = {once.data, once.size};

        must(grid_json_validate(text, &err));
        must(grid_json_validate(canonical, &err));
        grid_buffer_init(&twice, once.size);
        must(grid_canonicalize(canonical, &twice, &err));
        must(once.size == twice.size && memcmp(once.data, twice.data, once.size) == 0);
        grid_buffer_clear(&twice);
    } else {
        must(once.size == 0 && err.kind == GRID_REQUEST);
    }
    grid_buffer_clear(&once);
    must(grid_alloc_live() == live);
    return 0;
}
