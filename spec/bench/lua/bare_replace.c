/* The Lua module bare_replace: a function(folder, name, bytes). */
#include "../replace.h"

#include <lauxlib.h>

static int replace_file(lua_State *L)
{
    int folder = open(luaL_checkstring(L, 1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    size_t size;
    const char *bytes = luaL_checklstring(L, 3, &size);

    need(folder >= 0, "open");
    replace(folder, luaL_checkstring(L, 2), bytes, size);
    close(folder);
    return 0;
}

int luaopen_bare_replace(lua_State *L);

__attribute__((visibility("default"))) int luaopen_bare_replace(lua_State *L)
{
    lua_pushcfunction(L, replace_file);
    return 1;
}
