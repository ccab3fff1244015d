/* grid.core: identifies this process and machine, and reports whether a process is alive.
 *
 * Owns: nothing between two calls. Does not know: the use of the results. */
#include "lua/machine.h"

#include "base/fork.h"
#include "base/machine.h"

static void set_text(lua_State *L, const char *name, const char *text)
{
    if (!text[0])
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* machine() -> { machine_id, boot_id, pid_namespace, time_namespace, start_time: strings,
 * nil if the kernel does not report them; pid: a string, so that JSON libraries do not
 * change its form } */
static int machine(lua_State *L)
{
    grid_machine here;

    grid_machine_get(&here);
    lua_createtable(L, 0, 6);
    set_text(L, "machine_id", here.machine_id);
    set_text(L, "boot_id", here.boot_id);
    set_text(L, "pid_namespace", here.pid_namespace);
    set_text(L, "time_namespace", here.time_namespace);
    set_text(L, "start_time", here.start_time);
    lua_pushfstring(L, "%d", (int)here.pid);
    lua_setfield(L, -2, "pid");
    return 1;
}

/* pid() -> integer. Cheaper than machine(), to detect a fork. */
static int pid(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)grid_fork_pid());
    return 1;
}

/* process(pid) -> "alive", start time | "gone" | "unknown" */
static int process(lua_State *L)
{
    static const char *const states[] = {
        [GRID_PROCESS_ALIVE] = "alive", [GRID_PROCESS_GONE] = "gone", [GRID_PROCESS_UNKNOWN] = "unknown"};
    char start_time[GRID_MACHINE_TEXT];
    grid_process state = grid_machine_process((pid_t)luaL_checkinteger(L, 1), start_time);

    lua_pushstring(L, states[state]);
    if (state != GRID_PROCESS_ALIVE)
        return 1;
    lua_pushstring(L, start_time);
    return 2;
}

/* boottime() -> seconds since boot, including suspension */
static int boottime(lua_State *L)
{
    lua_pushnumber(L, grid_machine_boottime());
    return 1;
}

void gridL_open_machine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"machine", machine}, {"pid", pid}, {"process", process}, {"boottime", boottime}, {NULL, NULL}};

    luaL_setfuncs(L, functions, 0);
}
