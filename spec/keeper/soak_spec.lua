-- What the keeper promises of many refreshes by many processes, in small: `make
-- keeper-soak` has the figures.
-- Does not know: what is claimed, which is in soak/claims.lua.

local child = require "spec.support.child"
local claims = require "spec.keeper.soak.claims"
local soak = require "spec.keeper.soak.soak"

describe("many refreshes,", function()
  for _, claim in ipairs(claims) do
    it(claim.name .. ": all claims hold #slow", function()
      local _, problems = claims.run(claim, "small", 7)
      assert.same({}, problems)
    end)
  end

  it("with a store that is not sealed, leave tokens that the search finds", function()
    local result = soak.run { mode = "strict", ids = 5, workers = 1, refreshes = 5, seed = 1, unsealed = true }
    assert.is_truthy(result.leaks:find "sessions/")
    assert.is_nil(result.leaks:find "log")
  end)
end)

describe("the search for secrets", function()
  it("finds them as text, in hexadecimal and in base64", function()
    local folder = child.folder()
    for name, text in pairs {
      a = "x canary-rt", b = "63616e6172792d", c = "Y2FuYXJ5LXJ0", d = "eGNhbmFyeS1ydA", e = "eHhjYW5hcnktcnQ", f = "can ary",
    } do
      folder:write(name, text)
    end
    local _, count = soak.leaks(folder):gsub("[^\n]+", "")
    folder:remove()
    assert.equal(5, count)
  end)
end)
