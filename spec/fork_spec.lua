-- A program that forks in a handler: the calls in flight are the parent's, and end in
-- the child with an error. A keeper is another owner in the child.

local child = require "spec.support.child"
local oauth_server = require "spec.support.oauth_server"
local rig = require "spec.support.rig"

-- The child notes what it was told of each call, then exits without the handlers of its
-- parent.
local PROGRAM = [[
local ffi = require "ffi"
ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
local grid = require "grid"
local given = assert(loadfile(os.getenv "GIVEN"))()

local function fork() return tonumber(ffi.C.fork()) end

local function tell(who, results)
  for i, result in ipairs(results) do
    local res, err = result[1], result[2]
    print(who, i, res and "res" or table.concat({ err.kind, err.code, err.outcome }, " "))
  end
  io.stdout:flush()
end

local child
local function fork_once() child = child or fork() end

local in_event = os.getenv "FORK_IN" == "event"
if in_event then given.options.on_event = fork_once end
local client = grid.new(given.options)
local results = client:refresh_sessions(given.requests, { concurrency = 2, on_result = not in_event and fork_once or nil })
if child == 0 then
  tell("child", results)
  local res, err = client:refresh_session(given.another)
  print("child", "another", res and "res" or tostring(err))
  io.stdout:flush()
  ffi.C._exit(0)
end
ffi.C.waitpid(child, nil, 0)
tell("parent", results)
client:close()
]]

describe("a program that forks in a handler", function()
  local server = rig.sandbox()

  -- A table of strings, numbers and such tables, as Lua text.
  local function literal(value)
    if type(value) ~= "table" then return type(value) == "string" and ("%q"):format(value) or tostring(value) end
    local parts = {}
    for name, member in pairs(value) do parts[#parts + 1] = ("[%s] = %s"):format(literal(name), literal(member)) end
    return "{ " .. table.concat(parts, ", ") .. " }"
  end

  local function run(options, handler)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    local requests = {}
    for i = 1, 5 do requests[i] = rig.request(server) end
    file:write("return ", literal {
      options = rig.options(server, options), requests = requests, another = rig.request(server),
    })
    file:close()
    local output, ok = rig.run(PROGRAM, { GIVEN = path, FORK_IN = handler })
    os.remove(path)
    assert.is_true(ok, output)
    return output
  end

  for _, version in ipairs { "2", "1.1" } do
    it(("goes on in the parent, and ends its calls in the child, over HTTP/%s"):format(version), function()
      if not jit then return pending "only LuaJIT can fork without a further library" end
      server:fault { kind = "delay", delay = 0.3, count = 2 }
      local output = run { base_url = server.https, http_version = version, timeout = 20 }
      for i = 1, 5 do assert.truthy(output:find(("parent\t%d\tres"):format(i), 1, true), output) end
      -- The first call to end, whichever it is, ends before the fork.
      assert.equal(1, select(2, output:gsub("child\t%d\tres", "")), output)
      assert.equal(4, select(2, output:gsub("child\t%d\tcancelled forked unknown", "")), output)
      assert.truthy(output:find("child\tanother\tres", 1, true), output)
      assert.equal(6, server:stats().executions)
    end)
  end

  it("ends all of its calls in the child, if that begins in the handler of the first request", function()
    if not jit then return pending "only LuaJIT can fork without a further library" end
    local output = run({ base_url = server.https, timeout = 20 }, "event")
    assert.equal(5, select(2, output:gsub("parent\t%d\tres", "")), output)
    assert.equal(5, select(2, output:gsub("child\t%d\tcancelled forked unknown", "")), output)
    assert.truthy(output:find("child\tanother\tres", 1, true), output)
    assert.equal(6, server:stats().executions)
  end)
end)

-- Both processes have the keeper that was made before the fork, with the same random
-- name.
local KEEPER = [[
local ffi = require "ffi"
ffi.cdef "int fork(void); int waitpid(int, int *, int); void _exit(int);"
local core = require "grid.core"
local grid = require "grid"
local store = grid.store.file { directory = os.getenv "SESSIONS" }
local keeper = grid.keeper {
  exchange = grid.exchange.oauth2 {
    token_url = os.getenv "TOKEN_URL", client_id = "app", client_secret = os.getenv "SECRET",
    reuse = "idempotent", idempotency_header = "Idempotency-Key",
  },
  store = store,
}
assert(keeper:add("me", { access_token = "old", refresh_token = os.getenv "TOKEN", expires_in = 0.001 }))
local _, added = store:get "me"
local function tell(who)
  print(who, (assert(keeper:get("me", { timeout = 30 })).access_token))
  io.stdout:flush()
end
local child = ffi.C.fork()
if child == 0 then
  tell "child"
  ffi.C._exit(0)
end
while select(2, store:get "me") == added do core.engine():wait(0.01) end
tell "parent"
ffi.C.waitpid(child, nil, 0)
keeper:close()
]]

describe("a keeper that was made before a fork", function()
  local server, folder

  setup(function() server = oauth_server.share { mode = "idempotent" } end)
  teardown(function() server:stop() end)
  after_each(function()
    if folder then folder:remove() end
    folder = nil
  end)

  it("is another owner in the child: the parent waits for the refresh of the child, and sends nothing", function()
    if not jit then return pending "only LuaJIT can fork without a further library" end
    folder = child.folder()
    server:fault { kind = "delay", answer_delay = 1 }
    local output, ok = rig.run(KEEPER, {
      SESSIONS = folder.path .. "/sessions", TOKEN_URL = server.token_url, SECRET = server.client_secret,
      TOKEN = server:family().refresh_token,
    })
    assert.is_true(ok, output)
    local token = output:match "child\t(%S+)"
    assert.truthy(token and output:find("parent\t" .. token .. "\n", 1, true), output)
    local counts = server:counts()
    assert.same({ 1, 1 }, { counts.executions, counts.requests })
  end)
end)
