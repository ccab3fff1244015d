-- Keepers of several processes over one Redis that fails, for spec/keeper/redis_spec.lua,
-- small, and `make keeper-redis`, in full. The authorization server is idempotent.
-- Owns: the processes, servers and folder of a run.
-- Does not know: what should come of a fault.

local child = require "spec.support.child"
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
  return { folder = self.folder.path, url = self.oauth.token_url, reuse = "idempotent", redis = "1" }
end

local function start(self, script, more)
  local words, vms = {}, process.vms()
  for name, value in pairs(given_of(self)) do words[#words + 1] = name .. "=" .. value end
  for name, value in pairs(more) do words[#words + 1] = name .. "=" .. value end
  local vm = vms[#self.processes % #vms + 1]
  self.processes[#self.processes + 1] = process.start(script, words, { vm = vm, folder = self.folder.path })
end

-- Programs go to the server of that port from now on.
local function direct_to(self, server)
  self.server = server
  self.folder:write("port.new", tostring(server.port))
  os.rename(self.folder.path .. "/port.new", self.folder.path .. "/port")
end

-- Runs for so long, and until more puts were confirmed.
local function let_run(self, seconds)
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

-- The faults. Each leaves a server that answers.

local FAULTS = {}

function FAULTS.kill(self)
  self.server:kill()
  self.server:launch()
end

function FAULTS.power(self)
  power.fail(self.server)
  self.server:launch()
end

-- Requests are executed after the clients' timeout.
function FAULTS.stop(self)
  os.execute("kill -STOP " .. self.server.pid)
  sleep(6)
  os.execute("kill -CONT " .. self.server.pid)
end

local function settings_of(fsync)
  return "repl-diskless-sync-delay 0\nappendonly yes\nappendfsync " .. fsync
end

local function promote(replica)
  require("redis").command "REPLICAOF" (replica:client(), "NO", "ONE")
end

-- To a replica, by hand: the master is gone for good. `behind`: the seconds of which the
-- replica has not heard.
local function fail_over(self, behind)
  local replica = redis.start(settings_of "always" .. "\nreplicaof 127.0.0.1 " .. self.server.port)
  self.servers[#self.servers + 1] = replica
  while replica:client():info("replication").replication.master_link_status ~= "up" do sleep(0.05) end
  sleep(0.3)
  if behind > 0 then promote(replica) end
  sleep(behind)
  self.server:kill()
  promote(replica)
  direct_to(self, replica)
end

function FAULTS.failover(self) fail_over(self, 0) end
function FAULTS.failover_behind(self) fail_over(self, 1) end

---@class (exact) spec.RedisScene
---@field name string
---@field fault "kill"|"power"|"stop"|"failover"|"failover_behind"
---@field fsync "always"|"everysec"|"no"
---@field rounds integer

local function open(scene, ids)
  local self = setmetatable({ folder = child.folder(), processes = {}, result = { lost_sessions = 0 } }, Scene)
  local begin = scene.fault == "power" and power.start or redis.start
  self.servers = { begin(settings_of(scene.fsync)) }
  self.oauth = oauth_server.start { mode = "idempotent", token_lifetime = 3600 }
  direct_to(self, self.servers[1])
  self.keeper = process_keeper.new({ timeout = 10 },
    { store = process_keeper.redis(self.folder.path), exchange = process_keeper.exchange(given_of(self)) })
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
    start(self, "spec/keeper/redis/puts.lua", {})
    for i = 1, size.workers do start(self, "spec/keeper/soak/worker.lua", { ids = size.ids, seed = i, timeout = 10 }) end
    for _ = 1, scene.rounds do
      let_run(self, size.seconds)
      FAULTS[scene.fault](self)
    end
    let_run(self, size.seconds)
    settle(self, size.ids)
  end)
  local result, counts = self.result, self.oauth:counts()
  result.puts, result.lost_puts = count_puts(self)
  result.rotations, result.replays, result.reuses = counts.rotations, counts.replays, counts.reuses
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
