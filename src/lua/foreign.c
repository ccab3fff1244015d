/* grid.core: makes foreign text visible, and compares it with other texts.
 *
 * Owns: nothing. Does not know: secrets. */
#include "lua/foreign.h"

#include "lua/support.h"
#include "text/overlap.h"
#include "text/visible.h"

typedef bool (*rewrite)(grid_slice text, grid_buffer *out, grid_error *err);

/* Visible text is returned unchanged, without a copy. */
static int push_visible(lua_State *L, rewrite write_visible)
{
    grid_slice text = gridL_check_slice(L, 1);
    grid_buffer *out;
    grid_error err;

    lua_settop(L, 1);
    if (grid_is_visible(text))
        return 1;
    out = gridL_new_buffer(L);
    if (!write_visible(text, out, &err)) {
        grid_buffer_clear(out);
        return luaL_error(L, "%s", err.message);
    }
    gridL_push_buffer(L, out);
    return 1;
}

static int visible(lua_State *L)
{
    return push_visible(L, grid_visible_text);
}

static int visible_json(lua_State *L)
{
    return push_visible(L, grid_visible_json);
}

/* overlaps(text, size, other, …) -> boolean: does one of the other texts have a common
 * substring of `size` bytes with `text`? */
static int overlaps(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 1);
    lua_Integer size = luaL_checkinteger(L, 2);
    bool found = false;
    int i, last = lua_gettop(L);

    luaL_argcheck(L, size >= GRID_OVERLAP_MIN && size <= GRID_OVERLAP_MAX, 2, "4 to 64");
    for (i = 3; i <= last && !found; i++)
        found = grid_overlaps(text, gridL_check_slice(L, i), (size_t)size);
    lua_pushboolean(L, found);
    return 1;
}

void gridL_open_foreign(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"visible", visible}, {"visible_json", visible_json}, {"overlaps", overlaps}, {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
