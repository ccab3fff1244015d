-- The check of histories: it accepts what a register with compare-and-set can do, and
-- refuses what none can.
-- Does not know: stores, but for the one whose history is checked.

local child = require "spec.support.child"
local grid = require "grid"
local linear = require "spec.store.linear"
local load = require "spec.store.load"

-- "begin end method(expected) result blob rev"; "-": none
local function history(text)
  local operations = {}
  for line in text:gmatch "[^\n]+" do
    local from, to, method, expected, result, blob, rev = line:match "^ *(%S+) (%S+) (%a+)%((%S*)%) (%S+) (%S+) (%S+)$"
    if from then
      local function value(word) return word ~= "-" and word ~= "" and word or nil end
      operations[#operations + 1] = { begin_at = tonumber(from), end_at = tonumber(to), method = method,
        expected = value(expected), result = result, blob = value(blob), rev = value(rev) }
    end
  end
  assert(#operations > 0)
  return operations
end

local GOOD = {
  ["one after the other"] = [[
    1 2 put() done a r1
    3 4 get() done a r1
    5 6 put(r1) done b r2
    7 8 put(r1) conflict c -
    9 10 remove(r1) conflict - -
    11 12 remove(r2) done - -
    13 14 get() done - -
    15 16 remove(r2) conflict - -
    17 18 put() done d r3]],
  ["beside each other, in the order of their effects"] = [[
    1 9 put() done a r1
    2 3 get() done - -
    4 5 get() done a r1
    6 8 put(r1) done b r2]],
  ["one of two wins"] = [[
    1 2 put() done a r1
    3 9 put(r1) done b r2
    3 9 put(r1) conflict c -]],
  ["an unknown put that has happened"] = [[
    1 2 put() done a r1
    3 - put(r1) unknown b -
    5 6 get() done a r1
    7 8 get() done b r2
    9 10 put(r2) done c r3]],
  ["an unknown put that has not happened"] = [[
    1 2 put() done a r1
    3 4 put(r1) unknown b -
    5 6 put(r1) done c r3]],
  ["an unknown removal that has happened"] = [[
    1 2 put() done a r1
    3 - remove(r1) unknown - -
    5 6 put() done c r3]],
}

local BAD = {
  ["two puts with the same rev"] = [[
    1 2 put() done a r1
    3 9 put(r1) done b r2
    3 9 put(r1) done c r3]],
  ["a put that does not compare"] = [[
    1 2 put() done a r1
    3 4 put(r1) done b r2
    5 6 put(r1) done c r3]],
  ["an old read"] = [[
    1 2 put() done a r1
    3 4 put(r1) done b r2
    5 6 get() done a r1]],
  ["a read of what was not put yet"] = [[
    1 2 get() done a r1
    3 4 put() done a r1]],
  ["reads that go back"] = [[
    1 2 put() done a r1
    3 9 put(r1) done b r2
    4 5 get() done b r2
    6 7 get() done a r1]],
  ["a conflict for no reason"] = [[
    1 2 put() done a r1
    3 4 put(r1) conflict b -]],
  ["a put that is lost"] = [[
    1 2 put() done a r1
    3 4 get() done - -]],
  ["a removal that removes nothing"] = [[
    1 2 remove() done - -]],
  ["a removal that does not compare"] = [[
    1 2 put() done a r1
    3 4 put(r1) done b r2
    5 6 remove(r1) done - -]],
  ["a rev of two blobs"] = [[
    1 2 put() done a r1
    3 4 remove(r1) done - -
    5 6 put() done b r1]],
  ["a blob of two revs"] = [[
    1 2 put() done a r1
    3 4 get() done a r2]],
  ["an unknown put that happens, and is undone"] = [[
    1 2 put() done a r1
    3 - put(r1) unknown b -
    5 6 get() done b r2
    7 8 get() done a r1]],
}

describe("the check of histories", function()
  for name, text in pairs(GOOD) do
    it("accepts " .. name, function() assert.same({ true }, { linear.check(history(text)) }) end)
  end
  for name, text in pairs(BAD) do
    it("refuses " .. name, function() assert.is_nil((linear.check(history(text)))) end)
  end
  it("looks at each record for itself", function()
    local operations = history(GOOD["one of two wins"])
    for _, operation in ipairs(operations) do operation.id = "a" end
    for _, operation in ipairs(history(BAD["an old read"])) do
      operation.id = "b"
      operations[#operations + 1] = operation
    end
    assert.matches("^b: get", select(2, linear.check_all(operations)))
  end)

  -- A worker of nginx may be given two requests with the same name, one after another.
  it("tells the blobs of two loads with the same name in one process apart", function()
    local folder, store = child.folder(), grid.store.memory()
    for _ = 1, 2 do assert.equal(0, (load.run(store, folder.path .. "/history.1", "1", 50))) end
    local operations = load.history(folder.path)
    folder:remove()
    assert.equal(100, #operations)
    assert.same({ true }, { linear.check_all(operations) })
  end)
end)
