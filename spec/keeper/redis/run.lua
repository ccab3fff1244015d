-- `make keeper-redis`: what becomes of sessions and of confirmed puts when Redis fails,
-- in minutes. REDIS names another server. Exit code 0: nothing is lost where none may be.
-- Does not know: how a fault is made.

local redis = require "spec.support.redis"
local scenes = require "spec.keeper.redis.scenes"

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

local failures = 0
print(redis.program)
for _, scene in ipairs(SCENES) do
  if not arg[1] or scene.name:find(arg[1], 1, true) then
    local result = scenes.run(scene, SIZE)
    local is_lost = result.lost_puts + result.lost_sessions > 0
    print(("%s, %d times: confirmed puts %d lost, %d kept; of %d sessions %d lost; %d refreshes, %d replays, %d reuses%s"):format(
      scene.name, scene.rounds, result.lost_puts, result.puts, SIZE.ids, result.lost_sessions, result.rotations, result.replays,
      result.reuses, result.problem and ", FAILED: " .. result.problem or ""))
    io.stdout:flush()
    if result.problem or scene.keeps and is_lost then failures = failures + 1 end
  end
end
os.exit(failures == 0 and 0 or 1)
