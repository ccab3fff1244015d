-- The encoder kept pointers to the names of a table; a finalizer that ran meanwhile
-- removed one from the table, and the name was freed.

local finalizer = require "spec.support.finalizer"
local json = require "grid.json"

describe("json.encode", function()
  -- Names of which the table has the only copy, and a finalizer in each collection that
  -- takes one away.
  local function encode_while_names_go(count)
    local value, victim, over = {}, nil, false
    local function take_away()
      if victim then value[victim] = nil end
      if not over then finalizer(take_away) end
    end
    for i = 1, count do value[("name %d "):format(i):rep(20)] = { ("x"):rep(100):rep(20) } end
    finalizer(take_away)
    victim = ("name %d "):format(count):rep(20)
    local text, _, _, message = json.encode(value)
    over = true
    return text, message
  end

  it("outlives finalizers that change the table", function()
    collectgarbage("setpause", 1)
    finally(function() collectgarbage("setpause", 200) end)
    for round = 1, 60 do
      local text, message = encode_while_names_go(round % 2 == 0 and 20 or 60)
      assert.is_nil(message)
      assert.is_table(json.decode(text))
    end
  end)
end)
