/* grid.core.file: a file that is being replaced; and what else the command needs of the system and Lua does not have.
 *
 * Owns: the new file, until it is committed, closed, or collected (which discards it).
 * Refuses to know: what is in the files. */
#include "lua/file.h"

#include "base/file.h"
#include "base/signals.h"
#include "base/standard.h"

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

static int close_and_fail(lua_State *L, box *self, const grid_error *err)
{
    grid_file_free(self->file);
    self->file = NULL;
    return gridL_fail(L, err);
}

/* file:write(text) -> true | nil, kind, code, message, and the file is closed */
static int file_write(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 2);
    grid_file *file = check_file(L);
    grid_error err;

    if (!grid_file_write(file, text, &err))
        return close_and_fail(L, lua_touserdata(L, 1), &err);
    lua_pushboolean(L, true);
    return 1;
}

/* file:commit(text) -> true | nil, kind, code, message. Closes the file either way. */
static int file_commit(lua_State *L)
{
    grid_slice text = gridL_check_slice(L, 2);
    grid_file *file = check_file(L);
    box *self = lua_touserdata(L, 1);
    grid_error err;

    if (!grid_file_commit(file, text, &err))
        return close_and_fail(L, self, &err);
    file_close(L);
    lua_pushboolean(L, true);
    return 1;
}

enum { LIST = 1, MOST_FILES = 64 };

/* The open file at a position of the list, which keeps it. */
static box *file_at(lua_State *L, int position)
{
    box *self;

    lua_rawgeti(L, LIST, position);
    self = luaL_checkudata(L, -1, NEW_FILE);
    luaL_argcheck(L, self->file, LIST, "a file is closed");
    lua_pop(L, 1);
    return self;
}

static void push_failures(lua_State *L, const grid_file_result results[], int count)
{
    int i;

    lua_newtable(L);
    for (i = 0; i < count; i++) {
        if (results[i].is_durable)
            continue;
        lua_createtable(L, 3, 0);
        gridL_fail(L, &results[i].error);
        lua_rawseti(L, -5, 3);
        lua_rawseti(L, -4, 2);
        lua_rawseti(L, -3, 1);
        lua_pop(L, 1);
        lua_rawseti(L, -2, i + 1);
    }
}

/* files_commit(files) -> table of position -> { kind, code, message } of those that
 * failed. Up to 64 files that were written. Closes them. */
static int files_commit(lua_State *L)
{
    grid_file *files[MOST_FILES];
    box *boxes[MOST_FILES];
    grid_file_result results[MOST_FILES];
    int i, k, count;

    luaL_checktype(L, LIST, LUA_TTABLE);
    count = (int)lua_rawlen(L, LIST);
    luaL_argcheck(L, count <= MOST_FILES, LIST, "too many files");
    for (i = 0; i < count; i++) {
        boxes[i] = file_at(L, i + 1);
        files[i] = boxes[i]->file;
        for (k = 0; k < i; k++)
            luaL_argcheck(L, files[k] != files[i], LIST, "a file stands twice");
    }
    grid_files_commit(files, (size_t)count, results);
    for (i = 0; i < count; i++) {
        grid_file_free(files[i]);
        boxes[i]->file = NULL;
    }
    push_failures(L, results, count);
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

/* file_exists(path) -> boolean. A symbolic link that leads nowhere exists. */
static int file_exists(lua_State *L)
{
    struct stat status;

    lua_pushboolean(L, lstat(luaL_checkstring(L, 1), &status) == 0);
    return 1;
}

/* fill_standard(): see base/standard.h. Throws if it fails. */
static int fill_standard(lua_State *L)
{
    return grid_standard_fill() ? 0 : luaL_error(L, "cannot open /dev/null: %s", strerror(errno));
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
    static const luaL_Reg methods[] = {
        {"read", file_read}, {"write", file_write}, {"commit", file_commit}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"file_begin", file_begin},
        {"file_names", file_names},
        {"files_commit", files_commit},
        {"file_exists", file_exists},
        {"is_terminal", is_terminal},
        {"fill_standard", fill_standard},
        {"catch_signals", catch_signals},
        {"signal_caught", signal_caught},
        {NULL, NULL},
    };

    gridL_new_class(L, NEW_FILE, methods, file_close, NULL);
    gridL_new_class(L, FOLDER, none, folder_close, NULL);
    luaL_setfuncs(L, functions, 0);
}
