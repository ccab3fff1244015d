-- The examples of the keeper in README.md and doc, for the specs that run them against
-- the authorization server of the sandbox: its addresses stand for those of the text.
-- Does not know: the pages.

local assert = require "luassert"
local child = require "spec.support.child"
local harness = require "spec.command.harness"
local oauth_server = require "spec.support.oauth_server"
local nginx = require "spec.support.nginx"
local pages = require "spec.support.pages"
local redis = require "spec.support.redis"

local keeper_examples = { lua = {} }

local MAKE = [[
  local grid = require "grid"
  local keeper = grid.keeper {
    exchange = grid.exchange.oauth2 {
      token_url = "https://auth.example.com/token", client_id = "app", client_secret = os.getenv "CLIENT_SECRET",
    },
    store = grid.store.file { directory = "sessions" },
  }
]]

-- As the text has it, but for the addresses.
local function at(server, text)
  return (text:gsub("https://auth%.example%.com/token", server.token_url):gsub("https://api%.example%.com", server.http))
end

local function run_lua(server, folder, text)
  folder:write("snippet.lua", at(server, text))
  local code, out, err = folder:run("exec env " .. child.vm .. " snippet.lua", { CLIENT_SECRET = server.client_secret })
  assert.same({ 0, "" }, { code, err })
  return out
end

-- `seconds`: what the log-in's session lives.
local function write_tokens(server, folder, seconds)
  local tokens = server:family()
  folder:write("tokens.json", ('{"access_token":"%s","refresh_token":"%s","expires_in":%s,"token_type":"Bearer"}'):format(
    tokens.access_token, tokens.refresh_token, seconds))
end

-- An example that finds an expired session "me". `check(out, server)`
local function on_expired(check, prelude)
  return { run = function(block, _, _, folder)
    local server = oauth_server.share()
    write_tokens(server, folder, 0.001)
    run_lua(server, folder, MAKE .. 'assert(keeper:add("me", io.open("tokens.json"):read "*a"))')
    check(run_lua(server, folder, (prelude or "") .. block.text), server)
    assert.equal(1, server:counts().executions)
  end }
end

local function newest(server) return server:all_families()[1].access_token end

keeper_examples.lua.keeper = on_expired(function(out, server) assert.equal(newest(server) .. "\n", out) end)

keeper_examples.lua["keeper get"] = on_expired(function(out, server)
  assert.equal("Authorization: Bearer " .. newest(server) .. "\n", out)
end, MAKE)

keeper_examples.lua["keeper luv"] = on_expired(function(out)
  assert.matches("refreshed\tme\n", out)
  assert.matches("grid.session: me, generation 2\n", out)
end)

-- The three parts of the example, each in its phase.
keeper_examples.lua["keeper nginx"] = { run = function(block, _, _, folder)
  local server = oauth_server.share()
  write_tokens(server, folder, 0.001)
  local text = at(server, block.text):gsub("/var/lib/app", folder.path)
  run_lua(server, folder, text:match "^(.-)%-%- init_worker" .. 'assert(keeper:add("me", io.open("tokens.json"):read "*a"))')
  local init, start, access = text:match "^(.-)%-%- init_worker_by_lua_block\n(.-)%-%- access_by_lua_block\n(.*)$"
  local web = nginx.start {
    env = { CLIENT_SECRET = server.client_secret }, workers = 2,
    http = ("init_by_lua_block {\n%s}\ninit_worker_by_lua_block {\n%s}"):format(init, start),
    locations = ("location = /items { access_by_lua_block {\n%s}\n"
      .. "content_by_lua_block { ngx.print(ngx.var.http_authorization) } }"):format(access),
  }
  local ok, problem = pcall(function()
    local header = web:get "/items"
    assert.equal("Bearer " .. newest(server), header)
    assert.equal(1, server:counts().executions)
  end)
  local code, log = web:stop()
  assert.is_true(ok, tostring(problem) .. log)
  assert.equal(0, code)
end }

keeper_examples.lua["keeper log in"] = { run = function(block, _, _, folder)
  local server = oauth_server.share()
  write_tokens(server, folder, 3600)
  assert.equal("grid.session: me, generation 1\n", run_lua(server, folder, block.text))
end }

-- Of a sealed store, to another one whose keeper has the session.
keeper_examples.lua["keeper move"] = { run = function(block, _, _, folder)
  local server = oauth_server.share()
  write_tokens(server, folder, 3600)
  local out = run_lua(server, folder, MAKE:gsub("store =", 'seal_keys = { ("k"):rep(32) }, %0') .. [[
    assert(keeper:add("me", io.open("tokens.json"):read "*a"))
    local old, new = keeper.store, grid.store.memory()
    ]] .. block.text .. [[
    keeper = grid.keeper { exchange = keeper.exchange, store = new, seal_keys = { ("k"):rep(32) } }
    print(keeper:get "me", keeper:refresh_due().refreshed, keeper:refresh "me", keeper:refresh_due().due)]])
  assert.equal("grid.session: me, generation 1\t0\tgrid.session: me, generation 2\t0\n", out)
end }

-- Of lua-resty-openidc and nginx what the example uses; the example runs as a request.
local OPENIDC = [[
  local data, saves = { refresh_token = "$refresh", access_token = "$access", access_token_expiration = 1 }, 0
  local session = {
    get = function(_, name) return data[name] end, set = function(_, name, value) data[name] = value end,
    save = function() saves = saves + 1 end, destroy = function() data = {} end,
  }
  local header, status
  local opts = {}
  package.preload["resty.openidc"] = function()
    return { authenticate = function(given) assert(given == opts) return {}, nil, "/", session end }
  end
  ngx = {
    encode_base64 = function(text) return "b64:" .. text end, sha1_bin = function() return "hash" end,
    exit = function(code) status = code end, req = { set_header = function(name, value) header = name .. ": " .. value end },
  }
  local function request() $block end
  request()
  print(header, status, data.refresh_token, data.access_token, data.keeper_id, saves)
  data = { refresh_token = "$refresh", access_token = "$access", access_token_expiration = 1 } -- a request at the same time
  request()
  print(header, status, data.refresh_token, saves)
  request()
  print(header, status, saves)
  opts.lifecycle.on_logout(session)
  print(keeper:get "b64:hash")
  opts.lifecycle.on_logout { get = function() end }
  request()
  print(status, next(data))
  request() -- a log-in without a refresh token
  print(status)
  ngx = nil]]

local GONE = "nil\tgrid: store error (not_found): the store has no session 'b64:hash': add the tokens of a log-in (grid keep add)\n"

keeper_examples.lua.openidc = { run = function(block, _, _, folder)
  local server = oauth_server.share()
  local tokens = server:family()
  local values = { refresh = tokens.refresh_token, access = tokens.access_token, block = block.text }
  local out = run_lua(server, folder, MAKE .. OPENIDC:gsub("%$(%l+)", values))
  local header = "Authorization: Bearer " .. newest(server)
  local expected = "%s\tnil\tnil\tnil\tb64:hash\t1\n%s\tnil\tnil\t2\n%s\tnil\t2\n%s401\tnil\n403\n"
  assert.equal(expected:format(header, header, header, GONE), out)
  assert.equal(1, server:counts().executions)
end }

-- What an example of a store in Redis is asked to do.
local USE = [[
  assert(store:put("a", nil, "1"))
  assert(store:put("b", nil, "2"))
  print((store:get "a"), table.concat(store:list(9)))
]]

local function with_redis(run)
  return { run = function(block, _, _, folder)
    local server = redis.start()
    local ok, problem = pcall(run, 'local grid = require "grid" ' .. block.text:gsub("6379", server.port) .. USE, folder, server)
    server:stop()
    assert.is_true(ok, problem)
  end }
end

keeper_examples.lua["keeper redis"] = with_redis(function(text, folder)
  folder:write("snippet.lua", redis.prelude .. text)
  local code, out, err = folder:run("exec env " .. child.vm .. " snippet.lua")
  assert.same({ 0, "1\tab\n", "" }, { code, out, err })
end)

-- Another part of the program leaves connections of another database in its pool.
keeper_examples.lua["keeper resty"] = with_redis(function(text, _, server)
  local web = nginx.start { locations = ([[ location = /use { content_by_lua_block {
    package.preload["resty.redis"] = function() return require "nginx.redis" end -- Debian's name of it
    local other = require("resty.redis"):new()
    assert(other:connect("127.0.0.1", %d) and other:select(1) and other:set_keepalive(60000, 100))
    local function print(...) ngx.print(table.concat({ ... }, " ")) end
    %s
  } }]]):format(server.port, text) }
  local out = web:get "/use"
  local _, log = web:stop()
  assert.equal("1 ab", out, log)
  assert.equal(3, #server:client():keys "*") -- not in the database of the other part
end)

-- The configuration, as doc/keeper.md shows it, in that folder.
local function configure(server, folder)
  for _, block in ipairs(pages.blocks(pages.read "doc/keeper.md")) do
    if block.name == "keeper.json" then
      folder:write("keeper.json", (at(server, block.text):gsub('"/var/spool/app"', '"spool"')))
    end
  end
  folder:write("client.secret", server.client_secret .. "\n")
  folder:write("seal.key", ("0a"):rep(32) .. "\n")
end

local SCRIPT = [[
  grid() { %s "$@"; }
  [ %s = add ] || grid keep add me --config keeper.json <tokens.json >/dev/null
  %s]]

local UNTIL_METRICS = " & until [ -s grid_keeper.prom ]; do sleep 0.05; done; kill $!; wait $!"

--- Runs a command `grid keep …`; one that writes metrics ends by SIGTERM, once they are
--- written.
function keeper_examples.command(folder, command)
  local server = oauth_server.share()
  server:reset()
  configure(server, folder)
  write_tokens(server, folder, 3600)
  local verb = command:match "^grid keep (%l+)"
  local line = at(server, command)
  local is_daemon = command:find("--metrics", 1, true) ~= nil
  if is_daemon then line = line:gsub("^grid", harness.IN_BACKGROUND) .. UNTIL_METRICS end
  local code, out, err = folder:run(SCRIPT:format(harness.GRID, verb, line), { http_proxy = "" })
  assert.same({ 0, "" }, { code, err })
  if is_daemon then assert.matches("grid_keeper_", folder:read "grid_keeper.prom") end
  return out
end

return keeper_examples
