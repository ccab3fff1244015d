-- Runs scenes with Redis, and prints a line for each.
-- Does not know: faults, sizes.

local scenes = require "spec.keeper.redis.scenes"

local report = {}

local LINE = "%s, %d times: confirmed puts %d lost, %d kept; of %d sessions %d lost; "
  .. "%d refreshes, %d executions, %d replays, %d reuses%s"

--- Runs those whose name has the text `wanted`. -> how many lost what they must keep
---@param size { workers: integer, ids: integer, seconds: number }
function report.run(list, size, wanted)
  local failures = 0
  for _, scene in ipairs(list) do
    if not wanted or scene.name:find(wanted, 1, true) then
      local result = scenes.run(scene, size)
      local is_lost = result.lost_puts + result.lost_sessions + result.reuses > 0
      local problem = result.problem and ", FAILED: " .. result.problem or ""
      print(LINE:format(scene.name, scene.rounds, result.lost_puts, result.puts, size.ids, result.lost_sessions,
        result.rotations, result.executions, result.replays, result.reuses, problem))
      io.stdout:flush()
      if result.problem or scene.keeps and is_lost then failures = failures + 1 end
    end
  end
  return failures
end

return report
