/* grid.core: makes folders, lists the names in them, and reads the attributes of files.
 *
 * Owns: the listing of a folder while it is read; the collector closes it if an error is
 * thrown.
 * Does not know: the content of files. */
#include "lua/folder.h"

#include "base/folder.h"
#include "base/listing.h"
#include "base/place.h"
#include "base/status.h"

static const char LISTING[] = "grid.core.listing";

static int listing_close(lua_State *L)
{
    grid_listing_close(luaL_checkudata(L, 1, LISTING));
    return 0;
}

/* file_names(folder) -> array of names, in no order | nil, kind, code, message */
static int file_names(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1), *name;
    grid_listing *listing = gridL_new_object(L, sizeof *listing, LISTING);
    int count = 0;
    grid_error err;

    if (!grid_listing_open(listing, path, &err))
        return gridL_fail(L, &err);
    lua_newtable(L);
    while (grid_listing_next(listing, path, &name, &err)) {
        if (!name) {
            grid_listing_close(listing);
            return 1;
        }
        lua_pushstring(L, name);
        lua_rawseti(L, -2, ++count);
    }
    return gridL_fail(L, &err);
}

/* Pushes a table of names and a table of times. Sets *next to the earliest time after
 * `until`; 0: none. */
static bool list_modified(lua_State *L, grid_listing *listing, const char *path, double until, double *next, grid_error *err)
{
    const char *name;
    double time;
    int count = 0;

    *next = 0;
    lua_newtable(L);
    lua_newtable(L);
    while (grid_listing_next(listing, path, &name, err)) {
        if (!name)
            return true;
        if (!grid_listing_file_modified(listing, name, &time))
            continue;
        if (time > until) {
            *next = *next == 0 || time < *next ? time : *next;
            continue;
        }
        lua_pushstring(L, name);
        lua_rawseti(L, -3, ++count);
        lua_pushnumber(L, time);
        lua_rawseti(L, -2, count);
    }
    return false;
}

/* files_modified(folder, until) -> names, times, the earliest time after `until` or nil,
 * the modification time of the folder before the read | nil, kind, code, message */
static int files_modified(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    double until = luaL_checknumber(L, 2), next, modified;
    grid_listing *listing = gridL_new_object(L, sizeof *listing, LISTING);
    grid_error err;

    if (!grid_listing_open(listing, path, &err) || !grid_listing_modified(listing, path, &modified, &err) ||
        !list_modified(L, listing, path, until, &next, &err))
        return gridL_fail(L, &err);
    grid_listing_close(listing);
    if (next != 0)
        lua_pushnumber(L, next);
    else
        lua_pushnil(L);
    lua_pushnumber(L, modified);
    return 4;
}

/* file_time(path) -> modification time, seconds since 1970 | nil, kind, code, message */
static int file_time(lua_State *L)
{
    double seconds;
    grid_error err;

    if (!grid_status_modified(luaL_checkstring(L, 1), &seconds, &err))
        return gridL_fail(L, &err);
    lua_pushnumber(L, seconds);
    return 1;
}

/* file_stamp(path) -> a text that differs after each change of the file or of its name,
 * the time of the last change | nil, kind, code, message */
static int file_stamp(lua_State *L)
{
    char stamp[GRID_STAMP_SIZE];
    double changed;
    grid_error err;

    if (!grid_status_stamp(luaL_checkstring(L, 1), stamp, &changed, &err))
        return gridL_fail(L, &err);
    lua_pushstring(L, stamp);
    lua_pushnumber(L, changed);
    return 2;
}

/* file_exists(path) -> boolean | nil, kind, code, message: a folder on the way may not be
 * searched, say. A dangling symbolic link exists. */
static int file_exists(lua_State *L)
{
    bool exists;
    grid_error err;

    if (!grid_status_exists(luaL_checkstring(L, 1), &exists, &err))
        return gridL_fail(L, &err);
    lua_pushboolean(L, exists);
    return 1;
}

/* folder_place(path) -> a text that is the same for all paths of that folder, which need
 * not exist | nil, kind, code, message */
static int folder_place(lua_State *L)
{
    char place[GRID_PLACE_SIZE];
    grid_error err;

    if (!grid_place_of(luaL_checkstring(L, 1), place, &err))
        return gridL_fail(L, &err);
    lua_pushstring(L, place);
    return 1;
}

/* Calls a function of folder.h with the path -> true | nil, kind, code, message */
static int call(lua_State *L, bool (*function)(const char *path, grid_error *err))
{
    grid_error err;
    bool succeeded = function(luaL_checkstring(L, 1), &err);

    return gridL_finish(L, succeeded, &err);
}

static int folder_make(lua_State *L)
{
    return call(L, grid_folder_make);
}

static int folder_sync(lua_State *L)
{
    return call(L, grid_folder_sync);
}

static int folder_check(lua_State *L)
{
    return call(L, grid_folder_check);
}

void gridL_open_folder(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"file_names", file_names},
        {"file_exists", file_exists},
        {"file_time", file_time},
        {"file_stamp", file_stamp},
        {"files_modified", files_modified},
        {"folder_make", folder_make},
        {"folder_sync", folder_sync},
        {"folder_check", folder_check},
        {"folder_place", folder_place},
        {NULL, NULL},
    };

    gridL_new_class(L, LISTING, none, listing_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
