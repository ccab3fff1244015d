/* The module grid.core as Lua opens it: it opens the core, libgridcore.so, in the same
 * folder.
 *
 * Lua opens a module with all symbols bound, those of the thirty libraries below
 * libcurl included. The core is opened so that a function is bound at its first call:
 * that saves 3 of 34 million instructions of a process that does one refresh.
 *
 * Owns: nothing. The core stays open until the process ends.
 * Does not know: the core. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

#define CORE "libgridcore.so"

__attribute__((visibility("default"))) int luaopen_grid_core(lua_State *L);

/* The path of a file beside this one. */
static const char *beside(lua_State *L, const char *name)
{
    Dl_info here;
    const char *folder_end;

    if (!dladdr((void *)luaopen_grid_core, &here) || !here.dli_fname)
        luaL_error(L, "grid.core: the C library does not tell where the module is");
    folder_end = strrchr(here.dli_fname, '/');
    lua_pushlstring(L, here.dli_fname, folder_end ? (size_t)(folder_end + 1 - here.dli_fname) : 0);
    lua_pushstring(L, name);
    lua_concat(L, 2);
    return lua_tostring(L, -1);
}

int luaopen_grid_core(lua_State *L)
{
    void *core = dlopen(beside(L, CORE), RTLD_LAZY | RTLD_LOCAL);
    lua_CFunction open;

    if (!core)
        return luaL_error(L, "grid.core: %s", dlerror());
    *(void **)&open = dlsym(core, "luaopen_grid_core");
    if (!open)
        return luaL_error(L, "grid.core: %s", dlerror());
    lua_settop(L, 0);
    return open(L);
}
