/* grid.core.engine: a reference to the engine that all clients of one Lua state share.
 *
 * Owns: one reference per holder; the last holder that is closed frees the engine.
 * Does not know: the waiters of a transfer. The shared engine is found through a home, a
 * weak reference in the Lua state. */
#include "lua/engine.h"

#include "http/libcurl.h"
#include "http/transfer.h"
#include "lua/transfer.h"

static const char ENGINE[] = "grid.core.engine";
static const char HOME[] = "grid.core.home";

typedef struct holder {
    grid_engine *engine; /* NULL once closed */
} holder;

typedef struct home {
    grid_engine *engine; /* weak */
} home;

static int home_close(lua_State *L)
{
    home *self = luaL_checkudata(L, 1, HOME);

    if (self->engine)
        grid_engine_leave_home(self->engine);
    return 0;
}

grid_engine *gridL_check_engine(lua_State *L, int argument)
{
    holder *self = luaL_checkudata(L, argument, ENGINE);

    if (!self->engine)
        luaL_argerror(L, argument, "the engine is closed");
    return self->engine;
}

/* After a fork, the child leaves the engine to the parent and creates its own. */
static grid_engine *share(home *shared, grid_error *err)
{
    if (shared->engine && !grid_engine_is_ours(shared->engine))
        grid_engine_leave_home(shared->engine);
    if (shared->engine)
        return grid_engine_ref(shared->engine);
    return grid_engine_new(&shared->engine, err);
}

static int engine_new(lua_State *L)
{
    home *shared = lua_touserdata(L, lua_upvalueindex(1));
    holder *self = gridL_new_object(L, sizeof *self, ENGINE);
    grid_error err;

    self->engine = share(shared, &err);
    return self->engine ? 1 : gridL_fail(L, &err);
}

static int engine_close(lua_State *L)
{
    holder *self = luaL_checkudata(L, 1, ENGINE);

    if (self->engine)
        grid_engine_unref(self->engine);
    self->engine = NULL;
    return 0;
}

static int engine_step(lua_State *L)
{
    grid_engine_step(gridL_check_engine(L, 1));
    return 0;
}

static int engine_wait(lua_State *L)
{
    grid_engine *engine = gridL_check_engine(L, 1);

    grid_engine_wait(engine, luaL_checknumber(L, 2));
    return 0;
}

static int engine_timeout(lua_State *L)
{
    double seconds = grid_engine_timeout(gridL_check_engine(L, 1));

    if (seconds < 0)
        return 0;
    lua_pushnumber(L, seconds);
    return 1;
}

static int engine_fd(lua_State *L)
{
    int fd = grid_engine_fd(gridL_check_engine(L, 1));

    if (fd < 0)
        return 0;
    lua_pushinteger(L, fd);
    return 1;
}

static int engine_wake(lua_State *L)
{
    grid_engine_wake(gridL_check_engine(L, 1));
    return 0;
}

static int engine_clear_wakeup(lua_State *L)
{
    grid_engine_clear_wakeup(gridL_check_engine(L, 1));
    return 0;
}

static int engine_in_flight(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)grid_engine_in_flight(gridL_check_engine(L, 1)));
    return 1;
}

static int engine_next_finished(lua_State *L)
{
    grid_transfer *transfer = grid_transfer_take_finished(gridL_check_engine(L, 1));

    if (!transfer)
        return 0;
    lua_pushlightuserdata(L, transfer);
    return 1;
}

static int engine_is_usable(lua_State *L)
{
    holder *self = luaL_checkudata(L, 1, ENGINE);

    lua_pushboolean(L, self->engine && grid_engine_is_ours(self->engine));
    return 1;
}

/* libcurl() -> the version at run time, and whether it was built with HTTP/2 */
static int libcurl(lua_State *L)
{
    lua_pushstring(L, grid_libcurl_version());
    lua_pushboolean(L, grid_libcurl_has_http2());
    return 2;
}

void gridL_open_engine(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"step", engine_step},
        {"wait", engine_wait},
        {"timeout", engine_timeout},
        {"fd", engine_fd},
        {"wake", engine_wake},
        {"clear_wakeup", engine_clear_wakeup},
        {"in_flight", engine_in_flight},
        {"next_finished", engine_next_finished},
        {"is_usable", engine_is_usable},
        {"start", gridL_transfer_start},
        {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};

    gridL_new_class(L, ENGINE, methods, engine_close, NULL);
    gridL_new_class(L, HOME, none, home_close, NULL);
    gridL_new_object(L, sizeof(home), HOME);
    lua_pushcclosure(L, engine_new, 1);
    lua_setfield(L, -2, "engine");
    lua_pushcfunction(L, libcurl);
    lua_setfield(L, -2, "libcurl");
}
