/* grid.core: compare-and-set of files.
 *
 * Owns: nothing between two calls. Does not know: the content of files. */
#include "lua/swap.h"

#include "base/swap.h"

grid_slice gridL_check_expected(lua_State *L, int argument)
{
    grid_slice expected = gridL_check_slice(L, argument);

    luaL_argcheck(L, expected.size > 0 && expected.size <= GRID_SWAP_EXPECTED_SIZE, argument, "must have 1 to 256 bytes");
    return expected;
}

int gridL_push_swapped(lua_State *L, grid_swap_result result, const grid_error *err)
{
    if (result == GRID_SWAP_FAILED)
        return gridL_fail(L, err);
    lua_pushboolean(L, result == GRID_SWAP_DONE);
    return 1;
}

static size_t check_size(lua_State *L, int argument)
{
    lua_Integer bytes = luaL_optinteger(L, argument, 0);

    luaL_argcheck(L, bytes >= 0, argument, "must not be negative");
    return (size_t)bytes;
}

grid_swap gridL_check_swap(lua_State *L, int first)
{
    return (grid_swap){
        .path = luaL_checkstring(L, first),
        .temporary_folder = luaL_checkstring(L, first + 1),
        .expected = lua_isnoneornil(L, first + 2) ? (grid_slice){NULL, 0} : gridL_check_expected(L, first + 2),
        .bytes = gridL_check_slice(L, first + 3),
        .modified = luaL_checknumber(L, first + 4),
        .sweeps = lua_toboolean(L, first + 5),
        .reserve_size = check_size(L, first + 6),
    };
}

/* file_replace_if(path, temporary_folder, expected | nil, text, modified [, sweeps [,
 * reserve_size]]) -> true | false: conflict | nil, kind, code, message */
static int file_replace_if(lua_State *L)
{
    const grid_swap swap = gridL_check_swap(L, 1);
    grid_error err;
    grid_swap_result result = grid_swap_replace(&swap, &err);

    return gridL_push_swapped(L, result, &err);
}

/* file_remove_if(path, expected) -> true | false: conflict | nil, kind, code, message */
static int file_remove_if(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    grid_error err;
    grid_swap_result result = grid_swap_remove(path, gridL_check_expected(L, 2), &err);

    return gridL_push_swapped(L, result, &err);
}

void gridL_open_swap(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"file_replace_if", file_replace_if}, {"file_remove_if", file_remove_if}, {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
