-- The faults of a scene with Redis: each leaves a server that answers, and whole wires.
-- Does not know: keepers, what should come of a fault.

local nginx = require "spec.support.nginx"
local power = require "spec.keeper.redis.power"
local redis = require "spec.support.redis"

local faults = {}

local PATIENCE = 60 -- seconds

local function sleep(seconds) os.execute("sleep " .. seconds) end

function faults.kill(self)
  self.server:kill()
  self.server:launch()
end

function faults.power(self)
  power.fail(self.server)
  self.server:launch()
end

-- Requests are executed after the clients' timeout.
function faults.stop(self)
  os.execute("kill -STOP " .. self.server.pid)
  sleep(6)
  os.execute("kill -CONT " .. self.server.pid)
end

--- Of a server, which serves other hosts if `is_open`.
function faults.settings(fsync, is_open)
  local settings = "repl-diskless-sync-delay 0\nappendonly yes\nappendfsync " .. fsync
  return is_open and settings .. "\nbind 0.0.0.0\nprotected-mode no" or settings
end

local function command(server, name, ...) return require("redis").command(name)(server:client(), ...) end

local function promote(replica) command(replica, "REPLICAOF", "NO", "ONE") end

local function replication(server) return server:client():info("replication").replication end

-- A replica of the server, which has begun to take its changes.
local function follow(self)
  local settings = faults.settings("always", #self.hosts > 0)
  local replica = redis.start(settings .. "\nreplicaof 127.0.0.1 " .. self.server.port)
  self.servers[#self.servers + 1] = replica
  while replication(replica).master_link_status ~= "up" do sleep(0.05) end
  sleep(0.3)
  return replica
end

--- To a replica, by hand: the master is gone for good.
function faults.failover(self)
  local replica = follow(self)
  self.server:kill()
  promote(replica)
  self:direct_to(replica)
end

--- The same, after the replica has had all changes, since the master takes no more.
function faults.failover_in_step(self)
  local replica, master = follow(self), self.server
  command(master, "CLIENT", "PAUSE", "60000", "WRITE")
  while replication(replica).slave_repl_offset ~= replication(master).master_repl_offset do sleep(0.05) end
  master:kill()
  promote(replica)
  self:direct_to(replica)
end

local SENTINEL = [[
sentinel monitor keeper 127.0.0.1 %d 1
sentinel down-after-milliseconds keeper 500
sentinel failover-timeout keeper 5000]]

--- As `failover`, by Sentinel: programs go where it says.
function faults.failover_by_sentinel(self)
  local replica = follow(self)
  local sentinel = redis.start(SENTINEL:format(self.server.port), "--sentinel")
  self.servers[#self.servers + 1] = sentinel
  local function has_found() return command(sentinel, "SENTINEL", "REPLICAS", "keeper")[1] end
  local function has_promoted()
    return tonumber(command(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "keeper")[2]) == replica.port
  end
  if not nginx.wait_for(PATIENCE, has_found) then error("Sentinel finds no replica", 0) end
  self.server:kill()
  if not nginx.wait_for(PATIENCE, has_promoted) then error("Sentinel promotes no replica", 0) end
  self:direct_to(replica)
end

--- As `failover`, and of the last second the replica has not heard.
function faults.failover_behind(self)
  local replica = follow(self)
  promote(replica)
  sleep(1)
  self.server:kill()
  self:direct_to(replica)
end

--- As `failover`, and for a second the first host goes on with the master, while the
--- others are with the replica.
function faults.failover_apart(self)
  local replica, master = follow(self), self.server
  promote(replica)
  self:direct_to(replica)
  self:direct_to(master, self.hosts[1])
  sleep(1)
  master:kill()
  self:direct_to(replica)
end

local LONGER = 8 -- seconds: than an exchange of the processes and its commit may last

-- A host in turn is cut off when the server has executed a request of each process, and
-- has answered none; until the other hosts have sent that host's requests again, or, if
-- answers can be saved, for longer than they wait before that.
local function cut(self, wires, directions, is_saved)
  self.turn = (self.turn or 0) % #self.hosts + 1
  local host, before = self.hosts[self.turn], self.oauth:counts().replays
  local function is_replayed() return self.oauth:counts().replays > before end
  local function change(method)
    for _, wire in ipairs(wires) do
      for _, what in ipairs(directions) do host[method](host, wire, what) end
    end
  end
  self.oauth:fault { kind = "delay", hold = true, count = #self.processes - 1 }
  self.oauth:wait_held(#self.processes - 1)
  change "lose"
  self.oauth:release()
  if is_saved then sleep(LONGER)
  elseif not nginx.wait_for(PATIENCE, is_replayed) then error("the other hosts send no request again", 0) end
  change "mend"
end

function faults.requests_lost(self) cut(self, { "redis" }, { "requests" }) end
function faults.answers_lost(self) cut(self, { "redis" }, { "answers" }, true) end
function faults.partition(self) cut(self, { "redis" }, { "requests", "answers" }) end
function faults.isolation(self) cut(self, { "redis", "oauth" }, { "requests", "answers" }) end
function faults.none() end

return faults
