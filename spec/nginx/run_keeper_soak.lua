-- 100,000 refreshes by the eight workers of an nginx that reloads every five seconds, and
-- whose workers are killed, one every ten seconds: `make keeper-nginx`. Ends with exit
-- code 1 when a session was lost.

local scenes = require "spec.nginx.keeper_scene"
local soak = require "spec.nginx.keeper_soak"

local COUNT, SESSIONS = tonumber(arg[1]) or 100000, 500
local RELOAD_EVERY, KILL_EVERY, REPORT_EVERY = 5, 10, 100 -- seconds, seconds, rounds

local scene = scenes.start { workers = 8, listen = "reuseport", mode = "idempotent", log_level = "warn", size = "large" }
local ids = {}
for i = 1, SESSIONS do ids[i] = scene:add(3600) end

scene.oauth:fault { kind = "delay", answer_delay = 0.02, count = 0 } -- executed, and not answered yet
local reloads, kills = 0, 0

local function kill_one()
  local workers = scene.nginx:workers()
  soak.kill(workers[math.random(#workers)])
end

local function disturb(round, seconds)
  if round % REPORT_EVERY == 0 then print(("%.0f s: round %d"):format(seconds, round)) end
  if seconds >= (reloads + 1) * RELOAD_EVERY then
    reloads = reloads + 1
    scene.nginx:signal "HUP"
  end
  if seconds < (kills + 1) * KILL_EVERY then return end
  kills = kills + 1
  return kill_one
end

local result = soak.run(scene, COUNT, ids, disturb)
scene.oauth:control("DELETE", "/faults")
local losses = soak.losses(scene, ids)
local counts = scene.oauth:counts()
print(("%d refreshes answered in %.0f s, %d reloads, %d workers killed"):format(result.answered, result.seconds, reloads, kills))
print(("server: %d rotations, %d replays with the same key, %d reuses"):format(counts.rotations, counts.replays, counts.reuses))
for problem, count in pairs(result.problems) do print(("%d requests: %s"):format(count, problem)) end
local problem = scene:stop "exited on signal 9"
if problem then losses[#losses + 1] = problem end
print(("%d lost"):format(#losses))
for _, text in ipairs(losses) do print(text) end
os.exit(#losses == 0 and 0 or 1)
