-- The part of `make keeper-redis` with several hosts, and of spec/keeper/redis_spec.lua:
-- keepers whose network fails. To be run by `hosts.command`.
--   run_hosts.lua full|small [NAME]
-- Exit code 0: nothing is lost where none may be.
-- Does not know: how a fault is made.

local report = require "spec.keeper.redis.report"

local SIZES = {
  full = { workers = 6, ids = 40, seconds = 2 },
  small = { workers = 3, ids = 6, seconds = 0.5 },
}
local HOUR = 3600

local SCENES = {
  { name = "no fault", fault = "none", rounds = 10, keeps = true },
  { name = "a machine's requests to Redis are lost", fault = "requests_lost", rounds = 6, keeps = true },
  { name = "Redis' answers to a machine are lost", fault = "answers_lost", rounds = 6, keeps = true },
  { name = "both are lost", fault = "partition", rounds = 6, keeps = true },
  { name = "a machine is cut off from Redis and the authorization server", fault = "isolation", rounds = 6, keeps = true },
  { name = "failover, writes paused until the replica is in step", fault = "failover_in_step", rounds = 5, keeps = true },
  { name = "failover, the replica as it is", fault = "failover", rounds = 5 },
  { name = "failover by Sentinel, the replica as it is", fault = "failover_by_sentinel", rounds = 3 },
  { name = "failover, a machine stays with the master for 1 s", fault = "failover_apart", rounds = 3 },
}

for _, scene in ipairs(SCENES) do
  scene.fsync, scene.clocks = "always", { 0, HOUR, 2 * HOUR }
  if arg[1] == "small" then scene.rounds = 1 end
end
os.exit(report.run(SCENES, SIZES[arg[1]], arg[2]) == 0 and 0 or 1)
