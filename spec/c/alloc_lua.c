/* The binding without memory: each allocation fails in turn, of Lua 5.4's own and of the
 * core's, while a script uses all of grid.core. Nothing crashes or leaks; the script ends
 * well, with an error, or raises one. */
#define _GNU_SOURCE /* mkdtemp */

#include "failing.h"
#include "http_support.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdlib.h>
#include <unistd.h>

int luaopen_grid_core(lua_State *L);

static loopback server;
static char folder[] = "/tmp/grid-alloc-lua.XXXXXX";
static char path[sizeof folder + 8];
static bool lua_fails;
static size_t lua_bytes;

static void *allocate(void *context, void *block, size_t old_size, size_t new_size)
{
    void *moved;

    (void)context;
    old_size = block ? old_size : 0; /* for a new block it tells the kind of object */
    if (new_size == 0) {
        lua_bytes -= old_size;
        free(block);
        return NULL;
    }
    /* Lua takes it for granted that shrinking works. */
    if (lua_fails && new_size > old_size && failing_now())
        return NULL;
    moved = realloc(block, new_size);
    if (moved)
        lua_bytes += new_size - old_size;
    return moved;
}

static int serve(lua_State *L)
{
    (void)L;
    loopback_step(&server);
    return 0;
}

/* Each call of the core gives what it promises, or nil, kind, code and message. */
static const char script[] =
    "local serve, port, path = ...\n"
    "local core = require 'grid.core'\n"
    "local array = { __name = 'array' }\n"
    "local function good(value, kind, code, message)\n"
    "  if value == nil then\n"
    "    assert(type(kind) == 'string' and type(code) == 'string' and type(message) == 'string', 'an error without a reason')\n"
    "    error { code = code }\n"
    "  end\n"
    "  return value\n"
    "end\n"
    "local text = '{\"a\":[1,{\"b\":\"\\\\u00e9\\\\n\"},[]],\"n\":9007199254740992,\"f\":0.5,\"s\":\"plain\"}'\n"
    "local value = good(core.json_decode(text, array))\n"
    "good(core.json_encode(value, array))\n"
    "good(core.json_encode({('x'):rep(5000)}, array))\n"
    "good(core.json_slice(text, 'a', 2, 'b'))\n"
    "good(core.fields_encode({ 'map', 'text' }, { a = ('x'):rep(50000), b = '' }, 'prefix'))\n"
    "good(core.canonicalize(text))\n"
    "assert(core.visible('a\\n' .. text) == 'a ' .. text)\n"
    "assert(core.visible_json(text .. '\\127') == text .. '\\\\u007f')\n"
    "assert(core.overlaps(text, 4, text))\n"
    "core.uuid()\n"
    "core.machine()\n"
    "local k, nonce = good(core.random_bytes(32)), good(core.random_bytes(12))\n"
    "local sealed = good(core.aead_seal(k, nonce, 'aad', text))\n"
    "assert(good(core.aead_open(k, nonce, 'aad', sealed)) == text)\n"
    "good(core.hmac_sha256(k, text))\n"
    "good(core.hkdf_sha256(k, nonce, 'info', 100))\n"
    "assert(good(core.base64url_decode(good(core.base64url_encode(sealed)))) == sealed)\n"
    "local key = good(core.key_new())\n"
    "good(core.key_from_text(good(key:export())))\n"
    "good(key:public_key())\n"
    "good(key:sign_raw(text))\n"
    "tostring(key)\n"
    "good(good(core.file_begin(path)):commit(text))\n"
    "assert(good(core.file_read(path, 1000)) == text)\n"
    "local file = good(core.file_begin(path))\n"
    "assert(good(file:read(1000)) == text)\n"
    "good(file:commit(text))\n"
    "assert(os.remove(path))\n"
    "good(core.folder_make(path .. '.tmp'))\n"
    "assert(core.folder_sync(path .. '.tmp') and core.folder_check(path .. '.tmp'))\n"
    "assert(good(core.file_replace_if(path, path .. '.tmp', nil, 'one', 5)))\n"
    "assert(good(core.file_replace_if(path, path .. '.tmp', 'one', 'two', 5)))\n"
    "assert(good(core.file_stamp(path)) == core.file_stamp(path))\n"
    "assert(good(core.file_time(path)) == 5 and #good(core.files_modified(path:match '^(.*)/', 5)) == 1)\n"
    "assert(good(core.file_remove_if(path, 'two')))\n"
    "good(good(core.file_begin(path)):commit(text))\n"
    "local writer = good(core.writer())\n"
    "good(writer:replace_if(path, path .. '.tmp', text:sub(1, 8), 'new', 5))\n"
    "good(writer:remove_if(path, 'new'))\n"
    "good(writer:replace_if(path, path .. '.tmp', nil, 'one', 5))\n"
    "good(writer:remove_if(path, 'one'))\n"
    "for id = 1, 4 do\n"
    "  local done, ok, kind, code, message\n"
    "  repeat done, ok, kind, code, message = writer:next_finished() until done\n"
    "  assert(done == id and good(ok, kind, code, message))\n"
    "end\n"
    "writer:close()\n"
    "local engine, second = good(core.engine()), good(core.engine())\n"
    "local exchange = { method = 'POST', url = 'http://127.0.0.1:' .. port .. '/', headers = { 'X-One: 1' }, body = text,\n"
    "  timeout = 5, connect_timeout = 5, max_response_bytes = 10000, proxy = '' }\n"
    "local cancelled = good(engine:start(exchange, exchange, 5, 5))\n"
    "engine:step()\n"
    "for i = 1, 2 do\n"
    "  local transfer = good(engine:start(exchange, exchange, 5, 5))\n"
    "  while not transfer:is_finished() do\n"
    "    serve()\n"
    "    engine:step()\n"
    "    engine:next_finished()\n"
    "    engine:wait(0.002)\n"
    "  end\n"
    "  local answer = transfer:answer()\n"
    "  if answer.kind then error { code = answer.code } end\n"
    "  assert(answer.status == 200 and answer.headers['x-one'] == '1, 2')\n"
    "  assert(#answer.cookies == 1 and answer.bytes == 1000)\n"
    "  assert(#answer.content:string() == 1000)\n"
    "  assert(#good(answer.content:decode({})) == 998)\n"
    "  transfer:close()\n"
    "end\n"
    "cancelled:close()\n"
    "engine:close()\n"
    "second:close()\n";

/* A raised string is Lua's "not enough memory" or the core's own words for it. */
static bool ended_well(lua_State *L, int status)
{
    const char *code = "", *message = "";

    if (status == LUA_OK || status == LUA_ERRMEM)
        return true;
    if (lua_istable(L, -1)) {
        lua_getfield(L, -1, "code");
        code = lua_tostring(L, -1);
    } else {
        message = lua_tostring(L, -1);
    }
    if (strcmp(code, "out_of_memory") == 0 || strstr(message, "memory"))
        return true;
    printf("    %s%s\n", code, message);
    return false;
}

static bool use_the_binding(void)
{
    long blocks = grid_alloc_live();
    lua_State *L = lua_newstate(allocate, NULL);
    bool good;

    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_grid_core);
    lua_setfield(L, -2, "grid.core");
    lua_settop(L, 0);
    good = luaL_loadbuffer(L, script, sizeof script - 1, "=script") == LUA_OK;
    lua_pushcfunction(L, serve);
    lua_pushinteger(L, server.port);
    lua_pushstring(L, path);
    failing_begin();
    good = good && ended_well(L, lua_pcall(L, 3, 0, 0));
    failing_end();
    lua_close(L);
    loopback_step(&server);
    return good && grid_alloc_live() == blocks && lua_bytes == 0;
}

/* A run that failed half-way may have left the file itself, but no temporary one. */
static void remove_files(void)
{
    char temporaries[sizeof path + 8];

    snprintf(temporaries, sizeof temporaries, "%s.tmp", path);
    unlink(path);
    CHECK(rmdir(temporaries) == 0);
    CHECK(rmdir(folder) == 0);
}

int main(void)
{
    static char answer[1200];

    if (!CHECK(mkdtemp(folder) != NULL))
        return check_report();
    snprintf(path, sizeof path, "%s/file", folder);
    loopback_open(&server);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nX-One: 1\r\nX-One: 2\r\nSet-Cookie: a=b\r\nContent-Length: 1000\r\n\r\n\"%0998d\"", 0);
    loopback_answer(&server, answer, LOOPBACK_KEEP);
    CHECK(use_the_binding());

    grid_alloc_set_gate(failing_allows);
    failing_each("the core's blocks", use_the_binding);
    grid_alloc_set_gate(NULL);
    lua_fails = true;
    failing_each("Lua's blocks", use_the_binding);
    lua_fails = false;
    CHECK(use_the_binding());
    loopback_close(&server);
    remove_files();
    return check_report();
}
