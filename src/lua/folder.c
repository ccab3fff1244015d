/* grid.core: the names in a folder.
 *
 * Owns: the open folder while it is read; the collector closes it if an error is thrown.
 * Does not know: what the files are for. */
#include "lua/folder.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char FOLDER[] = "grid.core.folder";

typedef struct folder {
    DIR *stream; /* NULL once closed */
} folder;

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

/* file_exists(path) -> boolean. A symbolic link that leads nowhere exists. */
static int file_exists(lua_State *L)
{
    struct stat status;

    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &status) == 0);
    return 1;
}

void gridL_open_folder(lua_State *L)
{
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {{"file_names", file_names}, {"file_exists", file_exists}, {NULL, NULL}};

    gridL_new_class(L, FOLDER, none, folder_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
