/* grid.core: functions for a command, as opposed to a library: standard descriptors,
 * signals, terminals.
 *
 * Owns: nothing. Does not know: the command. */
#include "lua/command.h"

#include "base/signals.h"
#include "base/standard.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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

/* release_signals(): see base/signals.h */
static int release_signals(lua_State *L)
{
    (void)L;
    grid_signals_release();
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

void gridL_open_command(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"is_terminal", is_terminal},
        {"fill_standard", fill_standard},
        {"catch_signals", catch_signals},
        {"release_signals", release_signals},
        {"signal_caught", signal_caught},
        {NULL, NULL},
    };

    luaL_setfuncs(L, functions, 0);
}
