-- What the keeper promises of many refreshes: for each claim a run of the soak, in full
-- and in small, and what its result must be.
-- Does not know: how a run is made.

local soak = require "spec.keeper.soak.soak"

local claims = {}

local function equal(problems, result, name, expected)
  if result[name] ~= expected then problems[#problems + 1] = ("%s is %s, not %s"):format(name, result[name], expected) end
end

local function check_all(problems, result)
  equal(problems, result, "untold", 0)
  equal(problems, result, "unexplained", 0)
  equal(problems, result, "leaks", "")
  equal(problems, result, "lost", result.revoked_families)
end

-- -> what is wrong, as texts
local check = {}

function check.idempotent(result)
  local problems = {}
  check_all(problems, result)
  equal(problems, result, "lost", 0)
  equal(problems, result, "reuses", 0)
  equal(problems, result, "executions", result.rotations + result.replays)
  equal(problems, result, "generations", result.rotations)
  if result.replays == 0 or result.faults == 0 or result.deaths == 0 then problems[#problems + 1] = "there was no fault" end
  return problems
end

function check.sound(result)
  local problems = {}
  check_all(problems, result)
  for _, name in ipairs { "lost", "reuses", "replays", "refusals", "deaths", "faults" } do equal(problems, result, name, 0) end
  equal(problems, result, "executions", result.rotations)
  equal(problems, result, "generations", result.rotations)
  return problems
end

function check.strict(result)
  local problems = {}
  check_all(problems, result)
  if result.lost == 0 or result.deaths == 0 then problems[#problems + 1] = "there was no fault that loses a session" end
  return problems
end

local function add(name, checked, options, small, full)
  claims[#claims + 1] = { name = name, check = check[checked], options = options, small = small, full = full }
end

add("faulted, idempotent server", "idempotent",
  { mode = "idempotent", faults = soak.FAULTS, probability = 0.02, die = 0.001, workers = 8 },
  { refreshes = 700, ids = 60, die = 0.003, timeout = 6 }, { refreshes = 100000, ids = 2000 })
add("no faults, strict server, 32 processes", "sound",
  { mode = "strict", workers = 32 },
  { refreshes = 500, ids = 40 }, { refreshes = 10000, ids = 300 })
add("faulted, strict server", "strict",
  { mode = "strict", faults = soak.FAULTS, probability = 0.005, die = 0.001, workers = 8 },
  { refreshes = 300, ids = 150, die = 0.003, probability = 0.01, timeout = 6 }, { refreshes = 10000, ids = 4000 })

--- Runs a claim. -> the result, what is wrong
---@param size "small"|"full"
function claims.run(claim, size, seed)
  local options = { seed = seed }
  for name, value in pairs(claim.options) do options[name] = value end
  for name, value in pairs(claim[size]) do options[name] = value end
  local result = soak.run(options)
  return result, claim.check(result)
end

return claims
