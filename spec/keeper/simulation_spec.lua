-- Random runs of keepers under faults: what must hold in each is in simulation.lua and
-- simulation_callers.lua. The seeds are few, and among them are those that have found
-- faults: `make keeper-simulation SEEDS=1-1000` runs many more.

local rig = require "spec.support.rig"
local simulation = require "spec.keeper.simulation"

local LINES = 60 -- of the log of a run that fails

local first, last = (os.getenv "SEEDS" or ""):match "^(%d+)%-(%d+)$"

local function check(name, seed, scenario)
  local result = simulation.run(scenario, seed)
  local problem = result.world.problems[1]
  if problem then error(("%s, seed %d: %s\n%s"):format(name, seed, problem, result.world:tail(LINES)), 0) end
  return result.server.executions
end

-- A scenario, and the seeds for which it runs in the suite.
local function holds(name, seeds, scenario)
  it(name, function()
    local executions = 0
    for seed = tonumber(first) or seeds[1], tonumber(last) or seeds[2] do
      executions = executions + check(name, seed, scenario)
    end
    assert.is_true(executions > 0, "no refresh was executed")
  end)
end

local UNANSWERED = { "refused", "503", "429" }
local ANY = { "refused", "503", "lost", "answer_lost", "502", "html" }

describe("keepers under faults", function()
  before_each(rig.mark)
  after_each(rig.assert_nothing_left)

  holds("spend no token twice at a strict server, whose answers all come", { 1, 6 }, {
    reuse = "strict", network = { chance = 0.2, faults = UNANSWERED }, has_clocks = true, replace = 0.1,
    store = { chance = 0.2, outage = "puts", outages = 0.001 }, spool = { chance = 0 },
  })

  holds("spend no token twice in one process without a spool", { 1, 4 }, {
    reuse = "strict", network = { chance = 0.2, faults = UNANSWERED }, processes = 1, replace = 0.1,
    store = { chance = 0.2, outage = "puts", outages = 0.001 },
  })

  holds("spend no token twice on several machines", { 1, 8 }, {
    reuse = "strict", network = { chance = 0.2, faults = UNANSWERED }, is_remote = true, has_clocks = true, replace = 0.1,
    store = { chance = 0.03 },
  })

  holds("spend no token twice where no coroutine can be spawned", { 31, 40 }, {
    reuse = "strict", network = { chance = 0.2, faults = UNANSWERED }, spawns = false, replace = 0.1,
    store = { chance = 0.2, outage = "puts", outages = 0.001 }, spool = { chance = 0 },
  })

  holds("lose no session of an idempotent server to crashes, lost answers and late threads", { 1, 15 }, {
    reuse = "idempotent", network = { chance = 0.4, faults = ANY }, is_sealed = true, jumps = true, crash = 0.005, replace = 0.1,
    store = { chance = 0.2, outage = "puts", outages = 0.001 }, spool = { chance = 0.2 },
  })

  holds("lose no session on several machines, where sessions are removed, too", { 1, 15 }, {
    reuse = "idempotent", network = { chance = 0.4, faults = ANY }, is_remote = true, has_clocks = true, jumps = true,
    crash = 0.005, replace = 0.3, remove = 0.3, store = { chance = 0.2, outage = "puts", outages = 0.001 },
  })

  holds("lose no session where threads are dropped", { 1, 15 }, {
    reuse = "idempotent", network = { chance = 0.4, faults = ANY }, drop = 0.05, jumps = true, crash = 0.005, replace = 0.1,
    store = { chance = 0.2, outage = "puts", outages = 0.001 }, spool = { chance = 0.2 },
  })

  holds("lose no answer where the first ones cannot be read and the store fails again and again", { 45, 75 }, {
    reuse = "idempotent", network = { chance = 0.3, faults = { "html" } }, replace = 0.1, longest_pause = 3,
    store = { chance = 0, outage = "puts", outages = 0.5 }, spool = { chance = 0 },
  })

  holds("give away no session that was removed or replaced, while the store fails for long", { 101, 110 }, {
    reuse = "idempotent", network = { chance = 0.3, faults = ANY }, jumps = true, crash = 0.001, replace = 0.7, remove = 0.7,
    longest_pause = 20, store = { chance = 0.05, outage = "all", outages = 0.03 }, spool = { chance = 0.1 },
  })

  holds("give away no session that was removed or replaced, in one process without a spool", { 41, 50 }, {
    reuse = "idempotent", network = { chance = 0.1, faults = UNANSWERED }, processes = 1, replace = 0.7, remove = 0.7,
    longest_pause = 20, store = { chance = 0.02, outage = "all", outages = 0.03 },
  })

  -- A refusal whose put returned an error is told if the record can be read.
  holds("tell once that a session of a strict server has died with a lost answer", { 1, 4 }, {
    reuse = "strict", network = { chance = 0.2, faults = { "refused", "503", "answer_lost" } }, replace = 0.1, loses = true,
    store = { chance = 0.2, outage = "puts", outages = 0.001, spares_reads = true }, spool = { chance = 0 },
  })

  holds("tell once that a session has died after the grace of its server", { 1, 4 }, {
    reuse = "grace", network = { chance = 0.2, faults = { "refused", "503", "answer_lost" } }, replace = 0.1, loses = true,
    store = { chance = 0.1, outage = "puts", outages = 0.001, spares_reads = true }, spool = { chance = 0 },
  })
end)
