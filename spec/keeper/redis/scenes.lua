-- Keepers of several processes, and of several hosts, over one Redis that fails, for
-- spec/keeper/redis_spec.lua, small, and `make keeper-redis`, in full. The authorization
-- server is idempotent.
-- Owns: the processes, hosts, servers and folder of a run.
-- Does not know: how a fault is made, and what should come of it.

local child = require "spec.support.child"
local faults = require "spec.keeper.redis.faults"
local hosts = require "spec.keeper.redis.hosts"
local oauth_server = require "spec.support.oauth_server"
local power = require "spec.keeper.redis.power"
local process = require "spec.support.process"
local process_keeper = require "spec.keeper.process_keeper"
local redis = require "spec.support.redis"

local scenes = {}
local Scene = {}
Scene.__index = Scene

local function sleep(seconds) os.execute("sleep " .. seconds) end

local function given_of(self)
  return { folder = self.folder.path, url = self.oauth.token_url, reuse = "idempotent", redis = "127.0.0.1" }
end

-- On a host, if there are any: in turn.
local function start(self, script, more, number)
  local vms, host = process.vms(), self.hosts[number % math.max(1, #self.hosts) + 1]
  local given, options = given_of(self), { vm = vms[#self.processes % #vms + 1], folder = self.folder.path }
  if host then
    given.url, given.ca_file = self.oauth.https:gsub("localhost", hosts.OAUTH) .. "/oauth/token", self.oauth.ca
    given.redis, given.port = hosts.REDIS, "port-" .. host.number
    options.prefix, options.env = host.prefix, host.env
  end
  self.processes[#self.processes + 1] = process.start(script, process_keeper.words(given, more), options)
end

--- Programs go to the server of that port from now on; those of one host, if it is given.
function Scene:direct_to(server, host)
  local name = "port" .. (host and "-" .. host.number or "")
  self.folder:write(name .. ".new", tostring(server.port))
  os.rename(self.folder.path .. "/" .. name .. ".new", self.folder.path .. "/" .. name)
  if host then return end
  self.server = server
  for _, each in ipairs(self.hosts) do self:direct_to(server, each) end
end

--- Runs for so long, and until more puts were confirmed.
function Scene:let_run(seconds)
  local function count() return select(2, (self.folder:read "confirmed" or ""):gsub("\n", "")) end
  local before = count()
  sleep(seconds)
  while count() < before + 5 do sleep(0.05) end
end

-- The last number that was confirmed, and how many were lost: the next one confirmed is
-- not above the one before.
local function count_puts(self)
  local last, lost = 0, 0
  for word in (self.folder:read "confirmed" or ""):gmatch "%d+" do
    local number = tonumber(word)
    if number <= last then lost = lost + last - number + 1 end
    last = number
  end
  return last, lost
end

---@class (exact) spec.RedisScene
---@field name string
---@field fault string of spec/keeper/redis/faults.lua
---@field fsync "always"|"everysec"|"no"
---@field rounds integer
---@field clocks? number[] a host for each, whose wall clock is so many seconds ahead

local CLOCK = child.path "spec/keeper/faults/wall_clock.c"
local BUILD_CLOCK = "cc -shared -fPIC -o %s %s -ldl"

-- With hosts an exchange is short, since an owner on another host is waited for in full.
local function start_hosts(self, scene)
  self.hosts, self.timeout = {}, scene.clocks and 3 or 10
  if not scene.clocks then return end
  hosts.prepare()
  local clock = self.folder.path .. "/clock.so"
  assert(0 == self.folder:run(BUILD_CLOCK:format(child.quote(clock), CLOCK)), "cc does not build wall_clock.c")
  for i, wall in ipairs(scene.clocks) do self.hosts[i] = hosts.start(self.folder, i, clock, wall) end
end

local function open(scene, ids)
  local self = setmetatable({ folder = child.folder(), processes = {}, result = { lost_sessions = 0 } }, Scene)
  start_hosts(self, scene)
  local begin = scene.fault == "power" and power.start or redis.start
  self.servers = { begin(faults.settings(scene.fsync, scene.clocks)) }
  self.oauth = oauth_server.start { mode = "idempotent", token_lifetime = 3600, address = scene.clocks and hosts.OAUTH }
  self:direct_to(self.servers[1])
  local given = given_of(self)
  self.keeper = process_keeper.new({ timeout = self.timeout },
    { store = process_keeper.redis(given), exchange = process_keeper.exchange(given) })
  for i, tokens in ipairs(self.oauth:families { count = ids }) do
    assert(self.keeper:add("id-" .. i, {
      access_token = tokens.access_token, refresh_token = tokens.refresh_token, expires_in = tokens.expires_in,
    }))
  end
  return self
end

local function close(self)
  for _, one in ipairs(self.processes) do one:close() end
  for _, server in ipairs(self.servers) do server:stop() end
  for _, host in ipairs(self.hosts) do host:stop() end
  self.keeper:close()
  self.oauth:stop()
  self.folder:remove()
end

local IS_LOST = { reauthentication_required = true, not_found = true }

-- Each session is refreshed once more, as its owner would.
local function settle(self, ids)
  self.folder:write("stop", "")
  for _, one in ipairs(self.processes) do
    while not one:code() do sleep(0.05) end
    if one:errors() ~= "" then self.result.problem = one:errors() end
  end
  for i = 1, ids do
    local session, err
    for _ = 1, 30 do
      session, err = self.keeper:refresh("id-" .. i)
      if session or IS_LOST[err.code] then break end
      sleep(0.2)
    end
    if not session then self.result.lost_sessions = self.result.lost_sessions + 1 end
    if not session and not IS_LOST[err.code] then self.result.problem = tostring(err) end
  end
end

---@param scene spec.RedisScene
---@param size { workers: integer, ids: integer, seconds: number }
function scenes.run(scene, size)
  local self = open(scene, size.ids)
  local ok, problem = pcall(function()
    start(self, "spec/keeper/redis/puts.lua", {}, 0)
    for i = 1, size.workers do
      start(self, "spec/keeper/soak/worker.lua", { ids = size.ids, seed = i, timeout = self.timeout }, i)
    end
    for _ = 1, scene.rounds do
      self:let_run(size.seconds)
      faults[scene.fault](self)
    end
    self:let_run(size.seconds)
    settle(self, size.ids)
  end)
  local result, counts = self.result, self.oauth:counts()
  result.puts, result.lost_puts = count_puts(self)
  for _, name in ipairs { "executions", "rotations", "replays", "reuses" } do result[name] = counts[name] end
  close(self)
  if not ok then error(problem, 0) end
  return result
end

--- Why no confirmed put can be lost here | nil.
function scenes.no_loss()
  if child.capture "strace -qq -e trace=none true 2>&1" ~= "" then return "needs strace, and the right to trace" end
  local server = redis.start "appendonly yes"
  local ok, problem = pcall(server.client(server).waitaof, server:client(), 0, 0, 0)
  server:stop()
  return (ok or not tostring(problem):find "unknown command") and "this server confirms no put before it is synced" or nil
end

return scenes
