#include "lua/names.h"

#include <stdlib.h>

/* What the functions push themselves, besides the names. */
enum { WORK = 6 };

static gridL_name name_on_top(lua_State *L, int place)
{
    gridL_name found = {.place = place};

    found.text.data = lua_tolstring(L, -1, &found.text.size);
    return found;
}

void gridL_names_count(gridL_names *names, lua_State *L, int table)
{
    names->keys = names->numbers = names->count = 0;
    names->anchors = 0;
    names->sorted = names->few;
    luaL_checkstack(L, GRIDL_FEW_NAMES + WORK, "too many names");
    lua_pushnil(L);
    for (; lua_next(L, table); names->keys++) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TNUMBER) {
            names->numbers++;
        } else if (lua_type(L, -1) == LUA_TSTRING && names->count++ < GRIDL_FEW_NAMES) {
            names->few[names->count - 1] = name_on_top(L, lua_gettop(L));
            lua_pushvalue(L, -1);
        }
    }
}

static void collect(gridL_names *names, lua_State *L, int table)
{
    size_t found = 0;

    names->sorted = lua_newuserdatauv(L, names->count * sizeof *names->sorted, 0);
    lua_createtable(L, (int)names->count, 0);
    names->anchors = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, table);) {
        lua_pop(L, 1);
        if (found < names->count && lua_type(L, -1) == LUA_TSTRING) {
            names->sorted[found] = name_on_top(L, (int)found + 1);
            found++;
            lua_pushvalue(L, -1);
            lua_rawseti(L, names->anchors, (int)found);
        }
    }
    names->count = found;
}

static int compare(const void *a, const void *b)
{
    return grid_slice_compare(((const gridL_name *)a)->text, ((const gridL_name *)b)->text);
}

void gridL_names_sort(gridL_names *names, lua_State *L, int table)
{
    if (names->count > GRIDL_FEW_NAMES)
        collect(names, L, table);
    qsort(names->sorted, names->count, sizeof *names->sorted, compare);
}

void gridL_names_push(const gridL_names *names, lua_State *L, size_t position)
{
    int place = names->sorted[position].place;

    if (names->anchors)
        lua_rawgeti(L, names->anchors, place);
    else
        lua_pushvalue(L, place);
}
