-- core.claim: one Lua VM of a process has the claim of a number.

local core = require "grid.core"

local function collect()
  collectgarbage()
  collectgarbage()
end

describe("a claim", function()
  local claim

  after_each(function()
    claim = nil -- luacheck: ignore 331
    collect()
  end)

  it("excludes another one of its number until it is collected", function()
    claim = core.claim(2) -- inside nginx, number 1 may be taken
    assert.is_not_nil(claim)
    assert.is_nil(core.claim(2))
    claim = nil
    collect()
    assert.is_not_nil(core.claim(2))
  end)

  it("has a number", function()
    assert.has_error(function() core.claim(0) end)
    assert.has_error(function() core.claim(3) end)
  end)
end)
