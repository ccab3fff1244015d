/* A Lua interpreter as small as can be, for leak checkers and sanitizers: vm SCRIPT
 * [ARGUMENT…].
 *
 * A sanitizer works best when the program itself has it, and the processes that a spec
 * starts stay free of it, which LD_PRELOAD would not allow. And it keeps libraries loaded
 * when Lua ends, so that what they hold in globals is no leak, and what leaked can be
 * named. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>

int dlclose(void *library);

/* Taken by Lua in place of the C library's own. */
__attribute__((visibility("default"))) int dlclose(void *library)
{
    (void)library;
    return 0;
}

static int with_traceback(lua_State *L)
{
    const char *message = lua_tostring(L, 1);
    luaL_traceback(L, L, message ? message : "(error object is not a string)", 1);
    return 1;
}

static void set_arguments(lua_State *L, int argc, char **argv)
{
    lua_newtable(L);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
}

int main(int argc, char **argv)
{
    lua_State *L = argc > 1 ? luaL_newstate() : NULL;
    if (L == NULL)
        return 2;
    signal(SIGINT, SIG_DFL); /* a shell's job in the background begins with it ignored */
    luaL_openlibs(L);
    set_arguments(L, argc, argv);
    lua_pushcfunction(L, with_traceback);

    int status = luaL_loadfile(L, argv[1]);
    if (status == 0) {
        luaL_checkstack(L, argc, "too many arguments");
        for (int i = 2; i < argc; i++)
            lua_pushstring(L, argv[i]);
        status = lua_pcall(L, argc - 2, 0, 1);
    }
    if (status != 0)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return status == 0 ? 0 : 1;
}
