/* grid.core.file: a file that is being replaced; and what else the command needs of the system and Lua does not have.
 *
 * Owns: the new file, until it is committed, closed, or collected (which discards it).
 * Refuses to know: what is in the files. */
#include "lua/file.h"

#include "base/file.h"
#include "base/signals.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char NEW_FILE[] = "grid.core.file";
static const char FOLDER[] = "grid.core.folder";

typedef struct box {
    grid_file *file; /* NULL once closed */
} box;

typedef struct folder {
    DIR *stream; /* NULL once closed */
} folder;

/* file_begin(path) -> file | nil, kind, code, message */
static int file_begin(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    box *self = gridL_new_object(L, sizeof *self, NEW_FILE);
    grid_error err;

    self->file = grid_file_begin(path, &err);
    return self->file ? 1 : gridL_fail(L, &err);
}

static grid_file *check_file(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, NEW_FILE);

    if (!self->file)
        luaL_argerror(L, 1, "the file is closed");
    return self->file;
}

static int file_close(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, NEW_FILE);

    grid_file_free(self->file);
    self->file = NULL;
    return 0;
}

/* file:read(limit) -> up to so many bytes of the old file | nil, kind, code, message */
static int file_read(lua_State *L)
{
    grid_buffer *out = gridL_new_buffer(L);
    lua_Integer limit = luaL_checkinteger(L, 2);
    grid_error err;

    luaL_argcheck(L, limit >= 0, 2, "negative");
    if (!grid_file_read(check_file(L), (size_t)limit, out, &err))
        return gridL_fail(L, &err);
    gridL_push_buffer(L, out);
    return 1;
}

/* file:commit(text, durable) -> true | nil, kind, code, message. Closes the file either way. */
static int file_commit(lua_State *L)
{
    box *self = luaL_checkudata(L, 1, NEW_FILE);
    grid_slice text = gridL_check_slice(L, 2);
    grid_error err;
    bool done = grid_file_commit(check_file(L), text, lua_toboolean(L, 3), &err);
    grid_file_free(self->file);
    self->file = NULL;
    if (!done)
        return gridL_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

static int folder_close(lua_State *L)
{
    folder *self = luaL_checkudata(L, 1, FOLDER);

    if (self->stream)
        closedir(self->stream);
    self->stream = NULL;
    return 0;
}

static int cannot_read(lua_State *L, const char *path)
{
    grid_error err;

    grid_error_set(&err, GRID_STORE, "not_read", "cannot read %.120s: %s", path, strerror(errno));
    return gridL_fail(L, &err);
}

/* file_names(folder) -> array of names, in no order | nil, kind, code, message */
static int file_names(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    folder *self = gridL_new_object(L, sizeof *self, FOLDER);
    struct dirent *entry;
    int count = 0;

    self->stream = opendir(path);
    if (!self->stream)
        return cannot_read(L, path);
    lua_newtable(L);
    for (errno = 0; (entry = readdir(self->stream)); errno = 0) {
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++count);
    }
    if (errno)
        return cannot_read(L, path);
    closedir(self->stream);
    self->stream = NULL;
    return 1;
}

/* sync_folder(folder) -> true | nil, kind, code, message */
static int sync_folder(lua_State *L)
{
    grid_error err;

    if (!grid_file_sync_folder(luaL_checkstring(L, 1), &err))
        return gridL_fail(L, &err);
    lua_pushboolean(L, true);
    return 1;
}

/* file_exists(path) -> boolean. A symbolic link that leads nowhere exists. */
static int file_exists(lua_State *L)
{
    struct stat status;

    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &status) == 0);
    return 1;
}

/* catch_signals(): see base/signals.h */
static int catch_signals(lua_State *L)
{
    (void)L;
    grid_signals_catch();
    return 0;
}

/* signal_caught() -> boolean */
static int signal_caught(lua_State *L)
{
    lua_pushboolean(L, grid_signals_caught());
    return 1;
}

/* is_terminal(descriptor) -> boolean */
static int is_terminal(lua_State *L)
{
    lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
    return 1;
}

void gridL_open_file(lua_State *L)
{
    static const luaL_Reg methods[] = {{"read", file_read}, {"commit", file_commit}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"file_begin", file_begin},
        {"file_names", file_names},
        {"sync_folder", sync_folder},
        {"file_exists", file_exists},
        {"is_terminal", is_terminal},
        {"catch_signals", catch_signals},
        {"signal_caught", signal_caught},
        {NULL, NULL},
    };

    gridL_new_class(L, NEW_FILE, methods, file_close, NULL);
    gridL_new_class(L, FOLDER, none, folder_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
