-- The fault matrix of the keeper: processes, servers, disks and clocks that fail, against
-- the table in doc/keeper.md. Each cell is produced by a run.
-- Does not know: how a fault is made, which is in faults/.

local matrix = require "spec.keeper.faults.matrix"

local function documented()
  local file = assert(io.open "doc/keeper.md")
  local lines = {}
  for line in file:lines() do
    local text = line:match "^| ([^|]+) |"
    if text then lines[text] = lines[text] or line end -- of two tables, the first one
  end
  file:close()
  return lines
end

-- Is a row fit for the quick run? It waits for no deadline.
local function is_quick(text)
  return text:find "^kill %-9, step" or text:find "^answer lost" or text:find "intent is put"
end

-- What a row must show beyond the words of its verdict, by a part of its text.
local BEYOND = {
  ["intent is put"] = function(one) assert.equal(0, one.before.executions) end,
  ["processes at once"] = function(one) assert.equal(1, one.before.executions) end,
  ["right before the send"] = function(one)
    assert.same({ 0, 1, 0 }, { one.before.executions, one.after.rotations, one.after.reuses })
  end,
}

local function check(results, texts)
  local lines = documented()
  assert.equal(matrix.head():match "^[^\n]*", lines.fault)
  for _, text in ipairs(texts) do
    assert.equal(lines[text], matrix.line(text, results[text]))
    for part, check_one in pairs(BEYOND) do
      for _, mode in ipairs(text:find(part, 1, true) and matrix.MODES or {}) do check_one(results[text][mode]) end
    end
    local one = results[text].idempotent.after
    assert.is_truthy(one.executions >= one.rotations + one.replays and one.reuses == 0, text)
  end
end

describe("a session that meets a fault", function()
  it("fares as the table says", function()
    local results, texts = matrix.run(is_quick)
    assert.is_true(#texts == 10)
    check(results, texts)
  end)

  it("fares as the table says, where deadlines pass #slow", function()
    check(matrix.run(function(text) return not is_quick(text) end))
  end)
end)
