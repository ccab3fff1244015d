/* grid.core.lock: a lock on a file.
 *
 * Owns: the lock, until it is closed or collected.
 * Does not know: the data that the lock protects. */
#include "lua/lock.h"

#include "base/lock.h"

static const char LOCK[] = "grid.core.lock";

typedef struct box {
    bool is_held;
    grid_lock lock;
} box;

/* file_lock(path) -> lock | nil, kind, code, message. Never waits. */
static int file_lock(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    box *self = gridL_new_object(L, sizeof *self, LOCK);
    grid_error err;

    self->is_held = grid_lock_take(&self->lock, path, GRID_LOCK_CREATE, &err);
    return self->is_held ? 1 : gridL_fail(L, &err);
}

static int lock_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, LOCK);

    if (self->is_held)
        grid_lock_release(&self->lock);
    self->is_held = false;
    return 0;
}

void gridL_open_lock(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {{"file_lock", file_lock}, {NULL, NULL}};

    gridL_new_class(L, LOCK, none, lock_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
