-- The encoder kept pointers to the names of a table; a finalizer that ran meanwhile
-- removed one from the table, and the name was freed.

local finalizer = require "spec.support.finalizer"
local json = require "grid.json"

describe("json.encode", function()
  -- Names of which the table has the only copy, and a finalizer in each collection that
  -- changes the table by `change(value, victim)`.
  local function encode_while_names_change(count, change)
    local value, victim, over = {}, nil, false
    local function run()
      if victim then change(value, victim) end
      if not over then finalizer(run) end
    end
    for i = 1, count do value[("name %d "):format(i):rep(20)] = { ("x"):rep(100):rep(20) } end
    finalizer(run)
    victim = ("name %d "):format(count):rep(20)
    local text, _, _, message = json.encode(value)
    over = true
    return text, message
  end

  local function outlives(change)
    collectgarbage("setpause", 1)
    finally(function() collectgarbage("setpause", 200) end)
    for round = 1, 60 do
      local text, message = encode_while_names_change(round % 2 == 0 and 20 or 60, change)
      assert.is_nil(message)
      assert.is_table(json.decode(text))
    end
  end

  it("outlives finalizers that remove a name from the table", function()
    outlives(function(value, victim) value[victim] = nil end)
  end)

  it("outlives finalizers that add names to the table", function()
    outlives(function(value) for i = 1, 100 do value["more " .. i] = i end end)
  end)
end)
