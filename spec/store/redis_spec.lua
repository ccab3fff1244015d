-- The store in Redis, over a real server, and over clients that fail. Inside nginx:
-- spec/nginx/redis_spec.lua. Many processes: redis_processes_spec.lua. Keepers over a
-- Redis that fails: spec/keeper/redis_spec.lua.
-- Does not know: the keeper.

local check = require "grid.store.check"
local child = require "spec.support.child"
local due_times = require "spec.store.due_times"
local grid = require "grid"
local raw = require "spec.store.raw_redis"
local redis = require "spec.support.redis"
local rig = require "spec.support.rig"
local scripts = require("grid.store.redis").SCRIPTS

local server, client

setup(function() server = redis.start() end)
teardown(function() server:stop() end)

before_each(function()
  client = server:client()
  client:flushall()
  rig.mark()
end)

after_each(rig.assert_nothing_left)

-- A store over one client, and what became of it.
local function over(given, options)
  local seen = { released = 0 }
  options = options or {}
  options.connect = options.connect or function() return given end
  options.release = function() seen.released = seen.released + 1 end
  return grid.store.redis(options), seen
end

-- A client that answers each method with what `answers` has for it.
local function fake(answers)
  local calls = {}
  local self = { calls = calls }
  for method, answer in pairs(answers) do
    self[method] = function(_, ...)
      calls[#calls + 1] = method
      if type(answer) == "function" then return answer(...) end
      return (table.unpack or unpack)(answer, 1, 2)
    end
  end
  function self.close() calls[#calls + 1] = "close" end
  return self
end

local function raising(message) return function() error(message) end end

local function assert_error(code, message, ok, err)
  assert.is_nil(ok)
  assert.is_true(grid.is_error(err, "store"), tostring(err))
  assert.equal(code, err.code)
  assert.matches(message, err.message)
end

describe("a store in Redis", function()
  it("keeps the contract of stores, with a client that raises", function()
    assert.same({ true }, { check(function() return (over(server:client())) end) })
    due_times((over(client)))
    assert.equal(0, client:dbsize())
  end)

  it("keeps it with a client that has eval alone, and returns nil and a problem", function()
    local one = raw.connect(server.port)
    assert.same({ true }, { check(function() return (over(one)) end) })
    one:close()
  end)

  it("keeps it on a server of a cluster, where all keys of a script must be in one slot", function()
    local cluster = redis.start "cluster-enabled yes"
    local one = cluster:client()
    one:eval("return redis.call('PING')", 0)
    require("redis").command "CLUSTER" (one, "ADDSLOTSRANGE", 0, 16383)
    while not pcall(one.get, one, "x") do os.execute "sleep 0.05" end
    local ok, problem = check(function() return (over(one)) end)
    cluster:stop()
    assert.same({ true }, { ok, problem })
  end)

  it("names each script by its SHA-1", function()
    local folder = child.folder()
    for i, script in ipairs(scripts) do
      folder:write("script", script.text)
      assert.equal(script.sha, child.capture("sha1sum <" .. child.quote(folder.path .. "/script")):match "^%x+", i)
    end
    folder:remove()
  end)

  it("runs one script for an operation, and sends its text once", function()
    local store = over(client)
    client:script "flush"
    client:config("resetstat")
    local rev = assert(store:put("a", nil, "1", 5))
    for _ = 1, 3 do rev = assert(store:put("a", rev, "1", 5)) end
    for _ = 1, 3 do assert(store:get "a") end
    local calls = {}
    for name, count in client:eval("return redis.call('INFO', 'commandstats')", 0):gmatch "cmdstat_(%a+):calls=(%d+)" do
      calls[name] = tonumber(count)
    end
    assert.equal(7, calls.evalsha)
    assert.equal(2, calls.eval)
  end)

  it("keeps the stores of two prefixes apart", function()
    local one, two = over(client), over(client, { prefix = "other:" })
    assert(one:put("a", nil, "1", 5))
    assert.is_nil((two:get "a"))
    assert.same({}, two:list(1))
    assert.same({}, two:due(9, 1))
    assert(two:put("a", nil, "2"))
    for _, key in ipairs(client:keys "*") do assert.matches("^{%l+:}", key) end
  end)

  it("carries out a put once that a client sends twice", function()
    local twice = setmetatable({ evalsha = function(_, ...)
      client:eval(scripts[2].text, select(2, ...))
      return client:eval(scripts[2].text, select(2, ...))
    end }, { __index = client })
    local store = over(twice)
    local rev = assert(store:put("a", nil, "1"))
    assert.is_string(store:put("a", rev, "2"))
    assert.same({ nil, "conflict" }, { store:put("a", rev, "3") })
  end)

  it("never gives a rev again, also after a restart without its records", function()
    local store = over(client)
    local rev = assert(store:put("a", nil, "1"))
    client:flushall()
    assert.not_equal(rev, (store:put("a", nil, "1")))
    assert.same({ nil, "conflict" }, { store:put("b", "", "2") })
  end)

  -- The intent of a refresh makes a record longer, and its answer makes it shorter again.
  it("takes records that are not longer than the ones before where the server has no memory left", function()
    local store = over(client)
    local rev = assert(store:put("a", nil, ("x"):rep(2000), 5))
    client:config("set", "maxmemory", "1")
    finally(function() client:config("set", "maxmemory", "0") end)
    assert_error("not_answered", "OOM", store:put("a", rev, ("y"):rep(2001)))
    assert_error("not_answered", "OOM", store:put("b", nil, "y"))
    assert.same({ "a" }, store:due(5, 10))
    rev = assert(store:put("a", rev, ("y"):rep(2000), 6))
    assert.same({ {}, { "a" } }, { store:due(5, 10), store:due(6, 10) })
    rev = assert(store:put("a", rev, "z"))
    assert.same({ {}, "z" }, { store:due(6, 10), (store:get "a") })
    assert.is_true(store:remove("a", rev))
  end)

  it("keeps due times in microseconds, in any locale", function()
    local store = over(client)
    assert(store:put("a", nil, "1", 1700000000.123456))
    assert.same({}, store:due(1700000000.123455, 10))
    assert.same({ "a" }, store:due(1700000000.123456, 10))
  end)
end)

describe("a client of a store in Redis", function()
  it("is released after each operation that was answered, a conflict too", function()
    local store, seen = over(client)
    local rev = assert(store:put("a", nil, "1"))
    store:put("a", nil, "2")
    store:get "a"
    store:due(1, 1)
    store:list(1)
    store:remove("a", rev)
    store:durability()
    assert.equal(7, seen.released)
  end)

  it("is closed, and not released, when an operation was not answered", function()
    for _, broken in ipairs {
      fake { evalsha = raising "closed" }, fake { evalsha = { nil, "timeout" } },
      fake { evalsha = { false, "READONLY You can't write against a read only replica." } },
      fake { evalsha = { nil, "NOSCRIPT No matching script" }, eval = { nil, "closed" } },
    } do
      local store, seen = over(broken)
      assert_error("not_answered", "Redis did not confirm the operation", store:put("a", nil, "1"))
      assert_error("not_answered", "Redis did not confirm the operation", store:get "a")
      assert_error("not_answered", "Redis did not confirm the operation", store:list(1))
      assert.equal(0, seen.released)
      assert.equal("close", broken.calls[#broken.calls])
    end
  end)

  it("may not be there: the error tells that of connect", function()
    local function connect() return nil, "connection refused" end
    assert_error("not_connected", "connection refused", over(nil, { connect = connect }):get "a")
    assert_error("not_connected", "no route", over(nil, { connect = raising "no route" }):put("a", nil, "1"))
    assert_error("not_connected", "'connect' returned no client", over(nil, { connect = function() end }):due(1, 1))
    assert.matches("unknown", over(nil, { connect = connect }):durability())
  end)

  it("may give a reply that is none of a script's", function()
    for _, left in ipairs { 1, 0, "1", "conflict", "OK", {} } do -- by a program that has not read all replies
      local one = fake { eval = { left } }
      local store, seen = over(one)
      assert_error("not_answered", "that of another command", store:put("a", nil, "1"))
      assert_error("not_answered", "that of another command", store:remove("a", "5"))
      assert.same({ { "eval", "close", "eval", "close" }, 0 }, { one.calls, seen.released })
    end
    local store, seen = over(fake { eval = { "OK" } })
    assert_error("not_answered", "no list", store:get "a")
    assert.equal(0, seen.released)
  end)

  it("does not get the arguments of a command into an error", function()
    local problem = "ERR unknown command 'EVALSHA', with args beginning with: 'secret' "
    local _, err = over(fake { evalsha = { nil, problem } }):get "a"
    assert.matches("unknown command", err.message)
    assert.not_matches("secret", err.message)
  end)
end)

-- As the scripts reply: with the rev, the last argument but two of a put.
local function confirm(_, _, _, _, _, _, _, rev) return rev end

describe("WAITAOF", function()
  local function put(waitaof)
    local one = fake { evalsha = confirm, waitaof = waitaof }
    local store, seen = over(one)
    local rev, err = store:put("a", nil, "1")
    return rev, err, seen.released, one, store
  end

  it("is waited for, with the server's own file in mind", function()
    local arguments
    local rev, _, released, one = put(function(...)
      arguments = { ... }
      return { 1, 0 }
    end)
    assert.is_string(rev)
    assert.same({ 1, 0, 2000 }, arguments)
    assert.same({ "evalsha", "waitaof" }, one.calls)
    assert.equal(1, released)
  end)

  it("that ends without a sync is an error: the change may not last", function()
    local rev, err, released = put { { 0, 0 } }
    assert_error("not_durable", "set appendfsync to always or everysec", rev, err)
    assert.equal(1, released)
  end)

  it("that is not answered is an error, and the client is closed", function()
    for _, answer in ipairs { { nil, "timeout" }, raising "closed" } do
      local rev, err, released, one = put(answer)
      assert_error("not_durable", "has not synced the change", rev, err)
      assert.equal(0, released)
      assert.equal("close", one.calls[#one.calls])
    end
  end)

  it("is asked for once a minute where the server has none, no file, or no permission for it", function()
    for _, problem in ipairs {
      "ERR unknown command 'waitaof'", "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
      "NOPERM this user has no permissions to run the 'waitaof' command",
    } do
      for _, answer in ipairs { { false, problem }, raising(problem) } do
        local rev, _, released, one, store = put(answer)
        assert.is_string(rev)
        assert.equal(1, released)
        assert.is_string((store:put("a", nil, "1")))
        assert.same({ "evalsha", "waitaof", "evalsha" }, one.calls)
        local time = os.time
        os.time = function() return time() + 61 end -- luacheck: ignore 122
        rev = store:put("a", nil, "1")
        os.time = time -- luacheck: ignore 122
        assert.is_string(rev)
        assert.same({ "evalsha", "waitaof", "evalsha", "evalsha", "waitaof" }, one.calls)
      end
    end
  end)

  it("is waited for on a server that has it", function()
    local logged = redis.start "appendonly yes"
    local one = logged:client()
    local store = over(one)
    local told, rev = store:durability(), store:put("a", nil, "1")
    local calls = one:eval("return redis.call('INFO', 'commandstats')", 0):match "cmdstat_waitaof:calls=(%d+)"
    logged:stop()
    assert.is_string(rev)
    if not calls then return pending "needs Redis 7.2 or Valkey; REDIS=/path names one" end
    assert.equal("2", calls)
    assert.equal("in Redis, which syncs once a second: a crash may lose the last second; each put waits for WAITAOF", told)
  end)

  it("is waited for after a removal, and not after a conflict", function()
    local one = fake { evalsha = { "1" }, waitaof = { { 1, 0 } } }
    assert.is_true(over(one):remove("a", "1"))
    assert.same({ "evalsha", "waitaof" }, one.calls)
    one = fake { evalsha = { "conflict 1" }, waitaof = { { 1, 0 } } }
    assert.same({ nil, "conflict" }, { over(one):remove("a", "1") })
    assert.same({ "evalsha" }, one.calls)
  end)
end)

describe("durability of a store in Redis", function()
  local function told(appendonly, appendfsync, policy)
    client:config("set", "appendonly", appendonly)
    client:config("set", "appendfsync", appendfsync)
    client:config("set", "maxmemory-policy", policy or "noeviction")
    return ((over(client)):durability():gsub("; each put waits for WAITAOF$", "")) -- Redis 7.2 and later have it
  end

  it("is read from the settings of the server", function()
    assert.equal("in the memory of Redis: a crash loses all changes since its last snapshot", told("no", "everysec"))
    assert.equal("in Redis, which syncs once a second: a crash may lose the last second", told("yes", "everysec"))
    assert.equal("in Redis, which syncs each change to its disk", told("yes", "always"))
    assert.matches("last 30 seconds", told("yes", "no"))
    assert.matches("may be EVICTED: set maxmemory%-policy to noeviction", told("yes", "always", "allkeys-lru"))
    assert.not_matches("EVICTED", told("yes", "always", "volatile-lru"))
    told("no", "everysec")
  end)

  it("is read from a list as from a map, and names the wait", function()
    local values = { appendonly = "yes", appendfsync = "everysec", ["maxmemory-policy"] = "noeviction" }
    local one = fake { config = function(_, name) return { name, values[name] } end, waitaof = { { 0, 0 } } }
    assert.matches("lose the last second; each put waits for WAITAOF$", (over(one):durability()))
  end)

  it("is unknown where the server does not tell", function()
    local refused = "NOPERM this user has no permissions to run the 'config|get' command"
    for one, released in pairs {
      [fake {}] = 1, [fake { config = { false, refused } }] = 1, [fake { config = raising("redis error: " .. refused) }] = 1,
      [fake { config = { nil, "timeout" } }] = 0, [fake { config = raising "connection error: closed" }] = 0,
    } do
      local store, seen = over(one)
      assert.equal("unknown: Redis does not tell its settings", store:durability())
      assert.equal(released, seen.released)
      assert.equal(released == 0, one.calls[#one.calls] == "close")
    end
  end)
end)

describe("the ACL user of doc/keeper.md", function()
  it("may do what the store does, and no more", function()
    local page = assert(io.open "doc/keeper.md"):read "*a"
    local line = assert(page:match "\n(ACL SETUSER grid [^\n]+)\n")
    local words = {}
    for word in line:gsub("a%-long%-password", "password"):gmatch "%S+" do words[#words + 1] = word end
    require("redis").command(words[1])(client, (table.unpack or unpack)(words, 2))
    local one = server:client()
    require("redis").command "AUTH" (one, "grid", "password")
    assert.same({ true }, { check(function() return (over(one)) end) })
    assert.not_matches("unknown", (over(one):durability()))
    assert.matches("NOPERM", select(2, pcall(one.flushall, one)))
    assert.matches("NOPERM", select(2, pcall(one.config, one, "set", "appendonly", "no")))
    assert.matches("NOPERM", tostring(select(2, pcall(one.eval, one, "return redis.call('GET', KEYS[1])", 1, "other"))))
    assert.matches("NOPERM", tostring(select(2, pcall(one.keys, one, "*"))))
  end)
end)
