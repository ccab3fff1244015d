/* Whatever tables a program hands to grid.new and to a call, the library either takes
 * them or raises one line of text that begins with the position of the caller. No API key
 * is ever left in, so that nothing is sent.
 *
 * The input is a list of fields. Each takes one byte that chooses a name, one that
 * chooses a kind of value, and the value. A byte 255 in place of a name begins the next
 * table: the options of a client, the request, the options of the call. */
#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int luaopen_grid_core(lua_State *L);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TABLES = 3, NEXT_TABLE = 255, MAX_MESSAGE = 600 };

static const char caller[] =
    "local grid = require 'grid'\n"
    "return function(options, request, call)\n"
    "  options.api_key = nil\n"
    "  local client = grid.new(options)\n"
    "  assert(type(tostring(client)) == 'string')\n"
    "  local res, err = client:refresh_session(request, call)\n"
    "  assert(res == nil and grid.is_error(err, 'request') and err.sent == 'no', 'an error of another kind')\n"
    "  assert(not tostring(err):find '[%c]', 'more than one line')\n"
    "  client:close()\n"
    "end\n";

static const char *const names[] = {
    "environment", "base_url", "timeout", "connect_timeout", "retries", "ca_file", "proxy", "user_agent", "max_response_bytes",
    "http_version", "insecure_skip_tls_verify", "on_event", "host", "encryption_public_key", "kms_payload", "idempotency_key",
    "cookie", "api_key", "timout", "Timeout"};

typedef struct input {
    const uint8_t *at;
    const uint8_t *end;
} input;

static lua_State *L;

static uint8_t next_byte(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static void push_text(input *in)
{
    size_t wanted = next_byte(in), left = (size_t)(in->end - in->at);
    size_t size = wanted < left ? wanted : left;

    lua_pushlstring(L, (const char *)in->at, size);
    in->at += size;
}

static void push_number(input *in)
{
    double number = 0;
    uint8_t bytes[sizeof number];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = next_byte(in);
    memcpy(&number, bytes, sizeof number);
    lua_pushnumber(L, number);
}

static int ignore(lua_State *state)
{
    (void)state;
    return 0;
}

static void push_fields(input *in, int depth);

static void push_value(input *in, int depth)
{
    switch (next_byte(in) % 9) {
    case 0:
        lua_pushboolean(L, next_byte(in) & 1);
        break;
    case 1:
        lua_pushinteger(L, next_byte(in) - 8);
        break;
    case 2:
        push_number(in);
        break;
    case 3:
        lua_pushcfunction(L, ignore);
        break;
    case 4:
        lua_pushlightuserdata(L, NULL);
        break;
    case 5:
        lua_newuserdatauv(L, 1, 0);
        break;
    case 6:
        push_fields(in, depth + 1);
        break;
    default:
        push_text(in);
        break;
    }
}

static void push_name(input *in, uint8_t choice)
{
    size_t known = sizeof names / sizeof names[0];

    if (choice < known)
        lua_pushstring(L, names[choice]);
    else if (choice < 2 * known)
        lua_pushinteger(L, choice - (int)known);
    else
        push_text(in);
}

static void push_fields(input *in, int depth)
{
    luaL_checkstack(L, 5, NULL);
    lua_newtable(L);
    while (in->at < in->end && depth < 70) {
        uint8_t choice = next_byte(in);
        if (choice == NEXT_TABLE)
            return;
        push_name(in, choice);
        push_value(in, depth);
        lua_settable(L, -3);
    }
}

static void open_state(void)
{
    unsetenv("GRID_API_KEY");
    unsetenv("GRID_BASE_URL");
    unsetenv("GRID_ENVIRONMENT");
    L = luaL_newstate();
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_grid_core);
    lua_setfield(L, -2, "grid.core");
    if (luaL_dostring(L, "package.path = 'lua/?.lua;lua/?/init.lua;' .. package.path") ||
        luaL_loadbuffer(L, caller, sizeof caller - 1, "=caller") || lua_pcall(L, 0, 1, 0)) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        abort();
    }
    lua_replace(L, 1);
    lua_settop(L, 1);
}

/* "caller:4: grid: …", one line, of reasonable length. */
static void check_misuse(void)
{
    size_t size;
    const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;

    if (message && (strncmp(message, "caller:4: grid: ", 16) == 0 || strncmp(message, "caller:6: grid: ", 16) == 0) &&
        strlen(message) == size && !strpbrk(message, "\r\n") && size < MAX_MESSAGE)
        return;
    fprintf(stderr, "not the caller's misuse: %s\n", message ? message : luaL_typename(L, -1));
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, data + size};

    if (!L)
        open_state();
    lua_pushvalue(L, 1);
    for (int i = 0; i < TABLES; i++)
        push_fields(&in, 0);
    if (lua_pcall(L, TABLES, 0, 0) != LUA_OK)
        check_misuse();
    lua_settop(L, 1);
    return 0;
}
