/* grid.core: the C core as a Lua module.
 *
 * Owns: the module table.
 * Does not know: libcurl, which the first engine initializes, in the process that uses
 * it. */
#include "base/alloc.h"
#include "crypto/random.h"
#include "http/clock.h"
#include "lua/bytes.h"
#include "lua/claim.h"
#include "lua/command.h"
#include "lua/crypto.h"
#include "lua/date.h"
#include "lua/engine.h"
#include "lua/fields.h"
#include "lua/file.h"
#include "lua/folder.h"
#include "lua/foreign.h"
#include "lua/json.h"
#include "lua/key.h"
#include "lua/machine.h"
#include "lua/notifier.h"
#include "lua/swap.h"
#include "lua/transfer.h"
#include "lua/writer.h"

__attribute__((visibility("default"))) int luaopen_grid_core(lua_State *L);

/* now() -> seconds on a monotonic clock */
static int now(lua_State *L)
{
    lua_pushnumber(L, grid_clock_now());
    return 1;
}

/* uuid() -> a new random UUID, version 4. Throws if the system has no random bytes. */
static int uuid(lua_State *L)
{
    char text[GRID_UUID_SIZE];
    grid_error err;

    if (!grid_random_uuid(text, &err))
        return luaL_error(L, "%s", err.message);
    lua_pushstring(L, text);
    return 1;
}

/* is_yieldable() -> can the running coroutine yield? Not across a C function such as
 * string.gsub or require. ngx_lua has no coroutine.isyieldable. */
static int is_yieldable(lua_State *L)
{
    lua_pushboolean(L, lua_isyieldable(L));
    return 1;
}

/* live() -> the number of memory blocks in use by the C core */
static int live(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)grid_alloc_live());
    return 1;
}

int luaopen_grid_core(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"now", now}, {"uuid", uuid}, {"is_yieldable", is_yieldable}, {"live", live}, {NULL, NULL}};

    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    gridL_open_buffer(L);
    gridL_open_bytes(L);
    gridL_open_claim(L);
    gridL_open_transfer(L);
    gridL_open_crypto(L);
    gridL_open_date(L);
    gridL_open_engine(L);
    gridL_open_fields(L);
    gridL_open_file(L);
    gridL_open_json(L);
    gridL_open_key(L);
    gridL_open_machine(L);
    gridL_open_foreign(L);
    gridL_open_folder(L);
    gridL_open_command(L);
    gridL_open_notifier(L);
    gridL_open_swap(L);
    gridL_open_writer(L);
    return 1;
}
