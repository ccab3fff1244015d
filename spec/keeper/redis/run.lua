-- `make keeper-redis`: what becomes of sessions and of confirmed puts when Redis fails,
-- in minutes. REDIS names another server. Exit code 0: nothing is lost where none may be.
-- Does not know: how a fault is made.

local hosts = require "spec.keeper.redis.hosts"
local redis = require "spec.support.redis"
local report = require "spec.keeper.redis.report"

local SIZE = { workers = 6, ids = 40, seconds = 1 }

local SCENES = {
  { name = "killed and restarted, always", fault = "kill", fsync = "always", rounds = 20, keeps = true },
  { name = "killed and restarted, everysec", fault = "kill", fsync = "everysec", rounds = 10 },
  { name = "power failure, always", fault = "power", fsync = "always", rounds = 10, keeps = true },
  { name = "power failure, everysec", fault = "power", fsync = "everysec", rounds = 10 },
  { name = "no answer for 6 s, always", fault = "stop", fsync = "always", rounds = 3, keeps = true },
  { name = "failover to a replica, always", fault = "failover", fsync = "always", rounds = 5 },
  { name = "failover to a replica that is 1 s behind", fault = "failover_behind", fsync = "always", rounds = 3 },
}

print(redis.program)
local failures = report.run(SCENES, SIZE, arg[1])
local obstacle = hosts.obstacle()
if obstacle then print("no hosts: " .. obstacle) end
local command = hosts.command("spec/keeper/redis/run_hosts.lua") .. " full " .. (arg[1] and "'" .. arg[1] .. "'" or "")
local code = obstacle and 0 or os.execute(command)
os.exit(failures == 0 and (code == true or code == 0) and 0 or 1)
