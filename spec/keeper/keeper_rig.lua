-- For specs of the running keeper: an authorization server in this process, keepers that
-- use it, a clock that a spec can turn, and stores whose operations a spec can spoil.
-- Does not know: what a keeper should do.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local grid = require "grid"
local child = require "spec.support.child"
local raw_rig = require "spec.support.rig"
local token_rules = require "spec.keeper.token_rules"

local rig = {}

local offset = 0

--- Lets seconds pass on both clocks of the keeper.
function rig.pass(seconds)
  offset = offset + seconds
end

--- Sets the wall clock alone.
function rig.set_wall(seconds)
  clock.wall = function() return os.time() + seconds end
end

local identity = clock.identity

--- Puts a blob in place of the record of an id, as when an older copy is restored.
function rig.put_back(keeper, id, blob)
  local _, rev = keeper.store:get(id)
  assert(keeper.store:put(id, rev, blob))
end

--- Lets the keeper run on another machine than the others do.
function rig.move(keeper, machine)
  clock.identity = function(instance)
    local me = {}
    for name, value in pairs(identity(instance)) do me[name] = value end
    if instance == keeper.instance then me.machine_id, me.boot_id = machine, machine end
    return me
  end
end

--- For before_each.
function rig.begin()
  offset = 0
  clock.boot = function() return core.boottime() + offset end
  clock.wall = function() return os.time() + math.floor(offset) end
  raw_rig.mark()
end

--- For after_each, first: closes what the test has opened.
function rig.close(keeper, server)
  if keeper then keeper:close() end
  if server then server.close() end
end

--- For after_each, when no variable has the keeper any more.
function rig.finish()
  clock.boot, clock.wall, clock.identity = core.boottime, os.time, identity
  raw_rig.assert_nothing_left()
end

rig.response = token_rules.response

--- An authorization server whose next answers a spec can set in `faults`: a function of
--- the server, the request and `execute`, which gives the bytes to answer with.
function rig.server()
  local self = token_rules.new()
  self.faults = {}
  local raw
  raw = raw_rig.raw_server(function(count)
    local fault = table.remove(self.faults, 1)
    if fault then return fault(self, raw.requests[count], token_rules.execute) end
    return token_rules.execute(self, raw.requests[count])
  end)
  self.close = raw.close
  self.raw, self.host, self.url = raw, raw.host, raw.url .. "/token"
  return self
end

function rig.exchange(server, given)
  local options = { token_url = server.url, client_id = "app", client_secret = "canary-secret" }
  for name, value in pairs(given or {}) do options[name] = value or nil end
  return grid.exchange.oauth2(options)
end

local SERVE = [[
  local cqueues, socket = require "cqueues", require "cqueues.socket"
  local rules = require "spec.keeper.token_rules"
  local state, controller = rules.new(), cqueues.new()
  local listener = socket.listen("127.0.0.1", 0)
  local _, _, port = listener:localname()
  print(math.floor(port))
  io.stdout:flush()
  local function read_request(connection)
    local head, length = {}, 0
    for line in connection:lines "*L" do
      head[#head + 1] = line
      length = tonumber(line:match "^[Cc]ontent%-[Ll]ength: (%d+)") or length
      if line == "\r\n" then return table.concat(head) .. (length > 0 and connection:read(length) or "") end
    end
  end
  local function serve(connection)
    connection:setmode("b", "bn")
    connection:onerror(function(_, _, code) return code end)
    local request = read_request(connection)
    while request do
      local answer = request:find "^GET" and rules.stats(state) or rules.execute(state, request)
      local delay = request:match "^%S+ %S*delay=([%d.]+)"
      if delay then cqueues.sleep(tonumber(delay)) end
      connection:write(answer)
      request = read_request(connection)
    end
    connection:close()
  end
  controller:wrap(function()
    for connection in listener:clients() do controller:wrap(serve, connection) end
  end)
  -- The end of the standard input is that of the spec.
  controller:wrap(function()
    cqueues.poll({ pollfd = 0, events = "r" })
    os.exit(0)
  end)
  assert(controller:loop())
]]

--- The same server as a process, for event loops: a query `delay=SECONDS` of the URL
--- holds answers back. -> { url, stats(), close() }
function rig.process()
  local folder = child.folder()
  folder:write("serve.lua", SERVE)
  local fifo = folder.path .. "/fifo"
  assert(os.execute("mkfifo " .. child.quote(fifo)))
  local out = folder.path .. "/port"
  os.execute(("env %s %s <%s >%s 2>%s &"):format(child.vm, child.quote(folder.path .. "/serve.lua"), child.quote(fifo),
    child.quote(out), child.quote(folder.path .. "/err")))
  local input = assert(io.open(fifo, "w"))
  local port
  while not port do port = (folder:read "port" or ""):match "^(%d+)\n" end
  local self = { url = ("http://127.0.0.1:%s/token"):format(port) }
  function self.stats()
    local text = child.capture(("curl -s http://127.0.0.1:%s/"):format(port))
    local stats = {}
    for name, value in text:gmatch "(%l+)=(%d+)" do stats[name] = tonumber(value) end
    return stats
  end
  function self.close()
    input:close()
    folder:remove()
  end
  return self
end

--- A keeper with `given` in place of the defaults, and the list of its events.
function rig.keeper(server, given)
  local events = {}
  local options = {
    exchange = rig.exchange(server), store = grid.store.memory(), host = server.host,
    on_event = function(event) events[#events + 1] = event end,
  }
  for name, value in pairs(given or {}) do options[name] = value or nil end
  return grid.keeper(options), events
end

--- The number of refreshes in flight, as the metrics of the keeper give it.
function rig.refreshes_in_flight(keeper)
  return tonumber(keeper:metrics():match "\ngrid_keeper_refreshes_in_flight (%d+)\n")
end

--- Calls `work`. -> how often it called the function of that name
function rig.calls_of(owner, name, work)
  local count, original = 0, owner[name]
  owner[name] = function(...)
    count = count + 1
    return original(...)
  end
  local ok, problem = pcall(work)
  owner[name] = original
  assert(ok, problem)
  return count
end

rig.TOKENS = { access_token = "access-0", refresh_token = "refresh-0", expires_in = 3600, token_type = "Bearer" }

function rig.names(events)
  local names = {}
  for i, event in ipairs(events) do names[i] = event.name end
  return table.concat(names, " ")
end

--- A store around another one: `spoil[method]` is called in place of the method, with the
--- method and its arguments.
function rig.spoiled(store, spoil)
  local wrapped = { is_local = store.is_local, calls = {} }
  for _, name in ipairs { "get", "put", "remove", "due", "list", "durability" } do
    wrapped[name] = function(_, ...)
      wrapped.calls[name] = (wrapped.calls[name] or 0) + 1
      if spoil[name] then return spoil[name](function(...) return store[name](store, ...) end, ...) end
      return store[name](store, ...)
    end
  end
  return wrapped
end

--- A keeper with the session "me" over a store in memory, which takes no record while
--- `disk.is_down`: from the moment at which the first answer goes out.
--- -> server, keeper, its events, disk
function rig.failing_store(given)
  local server, disk = rig.server(), { is_down = false }
  local options = { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
    if disk.is_down then error "no space left" end
    return put(...)
  end }) }
  for name, value in pairs(given or {}) do options[name] = value end
  local keeper, events = rig.keeper(server, options)
  assert(keeper:add("me", rig.TOKENS))
  server.faults[1] = function(self, request, execute)
    disk.is_down = true
    return execute(self, request)
  end
  return server, keeper, events, disk
end

return rig
