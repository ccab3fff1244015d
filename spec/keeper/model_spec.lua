-- Every interleaving of two and three workers, their faults and a server, on the
-- functions of grid.keeper.protocol itself; and whether the model finds a rule that is
-- broken in them. A world is lost when no sequence of further steps without faults leads
-- to a living session.

local model = require "spec.keeper.model"
local mutants = require "spec.keeper.model_mutants"

local function explore(scenario)
  local full = { workers = 2, generations = 2, topology = "local", pauses = "none", faults = {} }
  for name, value in pairs(scenario) do full[name] = value end
  return model.explore(full), full
end

local function name_of(scenario)
  local parts = {}
  for name, value in pairs(scenario) do
    parts[#parts + 1] = name .. "=" .. (type(value) == "table" and name_of(value) or tostring(value))
  end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function describe_faults(faults)
  local parts = {}
  for name, count in pairs(faults) do parts[#parts + 1] = ("%s %d"):format(name, count) end
  table.sort(parts)
  return #parts > 0 and table.concat(parts, ", ") or "no faults"
end

local function problems(result)
  local texts = {}
  for text in pairs(result.problems) do texts[#texts + 1] = text end
  table.sort(texts)
  return table.concat(texts, "; ")
end

local function report(result, full)
  print(("  %d workers, %s server, %s, pauses: %s, %s: %d states, %d unrecoverable"):format(
    full.workers, full.server, full.topology, full.pauses, describe_faults(full.faults), result.states, result.lost))
end

-- Mutants need scenarios that were explored before.
local found = {}

local function is_safe(scenario)
  local name = name_of(scenario)
  if not found[name] then
    found[name] = { explore(scenario) }
    report(found[name][1], found[name][2])
  end
  local result = found[name][1]
  assert.equal("", problems(result))
  assert.equal(0, result.lost, result.example)
  assert.is_true(result.states > 20)
end

describe("the protocol, in every interleaving,", function()
  it("loses nothing with a strict server without faults and pauses", function()
    for _, topology in ipairs { "local", "containers", "remote" } do is_safe { server = "strict", topology = topology } end
  end)

  it("loses nothing where processes are paused right before they send", function()
    is_safe { server = "strict", pauses = "before send" }
  end)

  it("loses nothing with an idempotent server when processes crash and messages are lost", function()
    is_safe { server = "idempotent", faults = { crash = 1, lose = 1 } }
    is_safe { server = "idempotent", faults = { crash = 1, store = 2 } }
    is_safe { server = "idempotent", faults = { double = 1, unexecuted = 1, lose = 1 } }
  end)

  it("loses nothing with an idempotent server when processes and messages are delayed", function()
    for _, topology in ipairs { "local", "containers", "remote" } do
      is_safe { server = "idempotent", topology = topology, pauses = "any" }
    end
  end)

  it("loses nothing to a reboot with an idempotent server", function()
    is_safe { server = "idempotent", faults = { reboot = 1, lose = 1 } }
  end)

  it("sends and gives away nothing that the store may lose", function()
    is_safe { server = "idempotent", pauses = "none", faults = { volatile = 1, power = 1, crash = 1 } }
    is_safe { server = "idempotent", pauses = "none", faults = { volatile = 2, power = 1 } }
    is_safe { server = "idempotent", pauses = "none", faults = { volatile = 1, store = 1, power = 1 } }
  end)

  it("loses nothing when an answer cannot be read", function()
    is_safe { server = "idempotent", faults = { unreadable = 1, crash = 1 } }
    is_safe { server = "refusing", faults = { unreadable = 1 } }
  end)

  it("loses nothing when an answer leaves the refresh token out", function()
    is_safe { server = "idempotent", omits = 1, faults = { lose = 1 } }
  end)

  it("loses nothing on the way through the bytes of a store", function()
    is_safe { server = "idempotent", is_packed = true, faults = { crash = 1, store = 1 } }
  end)

  it("loses no late answer when a paused owner was replaced", function()
    is_safe { server = "refusing", pauses = "workers" }
    is_safe { server = "refusing", pauses = "workers", topology = "remote" }
  end)

  it("loses nothing to a lost message as long as the grace of the server lasts", function()
    is_safe { server = "grace", grace = 8, faults = { lose = 1 }, is_eager = true }
  end)

  it("never undoes a removal and never serves another session", function()
    is_safe { server = "idempotent", pauses = "workers", faults = { remove = 1, replace = 1 } }
  end)

  it("loses sessions of a strict server only where there are faults, and the model sees them", function()
    local result, full = explore { server = "strict", faults = { crash = 1, lose = 1 } }
    report(result, full)
    assert.equal("", problems(result))
    assert.is_true(result.lost > 0)
  end)
end)

describe("the model finds", function()
  for _, mutant in ipairs(mutants.list) do
    it(mutant.title, function()
      is_safe(mutant.scenario)
      local mend = mutants.apply(mutant)
      local ok, result = pcall(explore, mutant.scenario)
      mend()
      assert.is_true(ok, tostring(result))
      assert.is_true(result.lost > 0 or problems(result) ~= "", "neither a lost world nor a broken invariant")
      print(("  %s: %d states, %d unrecoverable; %s"):format(mutant.title, result.states, result.lost, problems(result)))
    end)
  end
end)

describe("the protocol, in many interleavings, #slow", function()
  it("loses nothing with an idempotent server, whatever happens", function()
    is_safe { server = "idempotent", faults = { crash = 1, lose = 1, store = 1, unexecuted = 1, double = 1, unreadable = 1 } }
    is_safe { server = "idempotent", pauses = "any", faults = { crash = 1, lose = 1 } }
    is_safe { server = "idempotent", pauses = "any", topology = "remote", faults = { crash = 1, lose = 1 } }
  end)

  it("loses nothing with three workers", function()
    is_safe { workers = 3, server = "idempotent", faults = { crash = 1, lose = 1 } }
    is_safe { workers = 3, server = "strict", generations = 3 }
  end)

  it("breaks no rule with a server that revokes, under faults", function()
    for _, scenario in ipairs {
      { server = "strict", pauses = "workers", faults = { crash = 1 } },
      { server = "grace", grace = 8, faults = { crash = 1, lose = 1 } },
    } do
      local result, full = explore(scenario)
      report(result, full)
      assert.equal("", problems(result))
    end
  end)
end)
