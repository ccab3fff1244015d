-- `make keeper-soak`: the claims of the keeper in full, with their figures, in minutes.
-- An argument is the seed of the faults. Exit code 0: all claims hold.
-- Does not know: what is claimed.

local claims = require "spec.keeper.soak.claims"
local matrix = require "spec.keeper.faults.matrix"

local seed, failures = tonumber(arg[1]) or os.time() % 1000, 0

local SHOWN = {
  "rotations", "executions", "replays", "reuses", "faults", "deaths", "spoiled", "lost", "untold", "unexplained",
}

local function fail(problem)
  failures = failures + 1
  print("  FAILED: " .. problem)
end

print("seed " .. seed)
for _, claim in ipairs(claims) do
  local result, problems = claims.run(claim, "full", seed)
  local parts = {}
  for i, name in ipairs(SHOWN) do parts[i] = name .. " " .. result[name] end
  print(("%s: %s, in %.0f s"):format(claim.name, table.concat(parts, ", "), result.seconds))
  for _, problem in ipairs(problems) do fail(problem) end
end

-- Rows of the fault matrix, and the executions that each allows.
local ALLOWED = { ["processes at once"] = 1, ["intent is put"] = 0 }
for part, allowed in pairs(ALLOWED) do
  local results, texts = matrix.run(function(text) return text:find(part, 1, true) end)
  for _, text in ipairs(texts) do
    for _, mode in ipairs(matrix.MODES) do
      local executions = results[text][mode].before.executions
      print(("%s, %s: executions %d"):format(text, mode, executions))
      if executions ~= allowed then fail(("not %d"):format(allowed)) end
    end
  end
end
os.exit(failures == 0 and 0 or 1)
