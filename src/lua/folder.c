/* grid.core: makes folders, and lists the names in them.
 *
 * Owns: the open folder while it is read; the collector closes it if an error is thrown.
 * Does not know: the content of files. */
#include "lua/folder.h"

#include "base/error.h"
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

    grid_error_of_file(&err, "not_read", "cannot read", path);
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

static lua_Number seconds_of(struct timespec time)
{
    return (lua_Number)time.tv_sec + (lua_Number)time.tv_nsec * 1e-9;
}

/* The modification time of a regular file; false: not a regular file, or removed. */
static bool time_of_file(DIR *stream, const char *name, lua_Number *time)
{
    struct stat status;

    if (fstatat(dirfd(stream), name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return false;
    *time = seconds_of(status.st_mtim);
    return true;
}

/* Pushes a table of names and a table of times. Returns the earliest time after `until`;
 * 0: none. */
static lua_Number list_modified(lua_State *L, folder *self, lua_Number until)
{
    lua_Number next = 0, time;
    struct dirent *entry;
    int count = 0;

    lua_newtable(L);
    lua_newtable(L);
    for (errno = 0; (entry = readdir(self->stream)); errno = 0) {
        if (!time_of_file(self->stream, entry->d_name, &time))
            continue;
        if (time > until) {
            next = next == 0 || time < next ? time : next;
            continue;
        }
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -3, ++count);
        lua_pushnumber(L, time);
        lua_rawseti(L, -2, count);
    }
    return next;
}

/* files_modified(folder, until) -> names, times, the earliest time after `until` or nil,
 * the modification time of the folder before the read | nil, kind, code, message */
static int files_modified(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    lua_Number until = luaL_checknumber(L, 2), next;
    folder *self = gridL_new_object(L, sizeof *self, FOLDER);
    struct stat status;

    self->stream = opendir(path);
    if (!self->stream || fstat(dirfd(self->stream), &status) != 0)
        return cannot_read(L, path);
    next = list_modified(L, self, until);
    if (errno)
        return cannot_read(L, path);
    closedir(self->stream);
    self->stream = NULL;
    if (next != 0)
        lua_pushnumber(L, next);
    else
        lua_pushnil(L);
    lua_pushnumber(L, seconds_of(status.st_mtim));
    return 4;
}

/* file_time(path) -> modification time, seconds since 1970 | nil, kind, code, message */
static int file_time(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat status;

    if (stat(path, &status) != 0)
        return cannot_read(L, path);
    lua_pushnumber(L, seconds_of(status.st_mtim));
    return 1;
}

/* file_stamp(path) -> a text that differs after each change of the file or of its name,
 * the time of the last change | nil, kind, code, message */
static int file_stamp(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat status;
    char stamp[120];

    if (stat(path, &status) != 0)
        return cannot_read(L, path);
    snprintf(stamp, sizeof stamp, "%llx.%llx.%llx.%llx.%lx", (unsigned long long)status.st_dev,
             (unsigned long long)status.st_ino, (unsigned long long)status.st_size,
             (unsigned long long)status.st_ctim.tv_sec, (unsigned long)status.st_ctim.tv_nsec);
    lua_pushstring(L, stamp);
    lua_pushnumber(L, seconds_of(status.st_ctim));
    return 2;
}

/* folder_make(path) -> true | nil, kind, code, message */
static int folder_make(lua_State *L)
{
    grid_error err;
    bool succeeded = grid_folder_make(luaL_checkstring(L, 1), &err);

    return gridL_finish(L, succeeded, &err);
}

/* folder_sync(path) -> true | nil, kind, code, message */
static int folder_sync(lua_State *L)
{
    grid_error err;
    bool succeeded = grid_folder_sync(luaL_checkstring(L, 1), &err);

    return gridL_finish(L, succeeded, &err);
}

/* folder_check(path) -> true | nil, kind, code, message */
static int folder_check(lua_State *L)
{
    grid_error err;
    bool succeeded = grid_folder_check(luaL_checkstring(L, 1), &err);

    return gridL_finish(L, succeeded, &err);
}

/* file_exists(path) -> boolean | nil, kind, code, message: a folder on the way may not be
 * searched, say. A dangling symbolic link exists. */
static int file_exists(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    struct stat status;
    bool exists = lstat(path, &status) == 0;

    if (!exists && errno != ENOENT && errno != ENOTDIR)
        return cannot_read(L, path);
    lua_pushboolean(L, exists);
    return 1;
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
        {NULL, NULL},
    };

    gridL_new_class(L, FOLDER, none, folder_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
