-- 100,000 refreshes by the eight workers of an nginx that reloads every five seconds, and
-- whose workers are killed, one every ten seconds; then 10,000 callers that go away
-- during a refresh: `make keeper-nginx`. Ends with exit code 1 when a session was lost.
-- Arguments: other numbers of refreshes and of callers.

local scenes = require "spec.nginx.keeper_scene"
local soak = require "spec.nginx.keeper_soak"

local REFRESHES, SESSIONS = tonumber(arg[1]) or 100000, 500
local RELOAD_EVERY, KILL_EVERY, REPORT_EVERY = 5, 10, 100 -- seconds, seconds, rounds
local CALLERS, READERS, AT_ONCE = tonumber(arg[2]) or 10000, 5, 250

local losses = {}

local function add_losses(scene, ids, expected)
  for _, text in ipairs(soak.losses(scene, ids)) do losses[#losses + 1] = text end
  losses[#losses + 1] = scene:stop(expected)
end

local function disturbed()
  local scene = scenes.start { workers = 8, listen = "reuseport", mode = "idempotent", log_level = "warn", size = "large" }
  for _ = 1, SESSIONS do scene:add(3600) end
  scene.oauth:fault { kind = "delay", answer_delay = 0.02, count = 0 } -- executed, and not answered yet
  local reloads, kills = 0, 0
  local function kill_one()
    local workers = scene.nginx:workers()
    soak.kill(workers[math.random(#workers)])
  end
  local result = soak.run(scene, REFRESHES, scene:all_ids(), function(round, seconds)
    if round % REPORT_EVERY == 0 then print(("%.0f s: round %d"):format(seconds, round)) end
    if seconds >= (reloads + 1) * RELOAD_EVERY then
      reloads = reloads + 1
      scene.nginx:signal "HUP"
    end
    if seconds < (kills + 1) * KILL_EVERY then return end
    kills = kills + 1
    return kill_one
  end)
  scene.oauth:control("DELETE", "/faults")
  local counts = scene.oauth:counts()
  print(("%d refreshes answered in %.0f s, %d reloads, %d workers killed"):format(result.answered, result.seconds, reloads, kills))
  print(("server: %d rotations, %d replays with the same key, %d reuses"):format(counts.rotations, counts.replays, counts.reuses))
  for problem, count in pairs(result.problems) do print(("%d requests: %s"):format(count, problem)) end
  add_losses(scene, scene:all_ids(), "exited on signal 9")
end

-- What the worker still has, apart from its writer. -> blocks of the C core
local function left_in(scene)
  local left, seen = scene:idle_counters()
  if not left then error("refreshes do not end: " .. seen, 0) end
  if left.waiters + left.pending > 0 then error("something is left: " .. seen, 0) end
  return left.blocks - left.writer
end

local function abandoned()
  local scene = scenes.start { check_client_abort = true, size = "large", log_level = "warn" }
  local gone, first = 0, nil
  while gone < CALLERS do
    soak.lose_callers(scene, AT_ONCE / READERS, READERS)
    gone = gone + AT_ONCE
    local blocks = left_in(scene)
    first = first or blocks
    if blocks > first then error(("%d blocks are left, not %d"):format(blocks, first), 0) end
  end
  local counts = scene.oauth:counts()
  print(("%d callers gone in mid-refresh: %d rotations, %d reuses"):format(gone, counts.rotations, counts.reuses))
  if counts.rotations ~= gone / READERS then losses[#losses + 1] = "not one rotation for each session" end
  add_losses(scene, scene:all_ids())
end

disturbed()
abandoned()
print(("%d lost"):format(#losses))
for _, text in ipairs(losses) do print(text) end
os.exit(#losses == 0 and 0 or 1)
