-- What is stored after a refresh, on bytes.

local json = require "grid.json"
local successor = require "grid.command.successor"

local OLD = '{"provider":"privy","session":{"Privy":{"user_id":"u1","token":"t1","refresh_token":"old\\u002d1","session":{}}}}'

local function answer(privy)
  return '{ "provider":"privy",\n "big": 12345678901234567890, "list":[ ], "session":{"Privy":' .. privy .. ', "Other":{}} }'
end

describe("the payload that follows another", function()
  it("is the answer as it came when it brings a refresh token", function()
    local new = answer '{"token":"t2","refresh_token":"new"}'
    assert.equal(new, successor.of(OLD, new))
  end)

  it("keeps the old refresh token when the answer has none, and changes no other byte", function()
    assert.equal(answer '{"refresh_token":"old\\u002d1","token":"t2"}', successor.of(OLD, answer '{"token":"t2"}'))
    assert.equal(answer '{"refresh_token":"old\\u002d1" }', successor.of(OLD, answer '{ }'))
  end)

  it("keeps it where the answer has null or an empty text in its place", function()
    assert.equal(answer '{"token":"t2", "refresh_token" : "old\\u002d1" ,"x":1}',
      successor.of(OLD, answer '{"token":"t2", "refresh_token" : null ,"x":1}'))
    assert.equal(answer '{"refresh_token":"old\\u002d1"}', successor.of(OLD, answer '{"refresh_token":""}'))
    assert.equal(answer '{"refresh\\u005ftoken":"old\\u002d1"}', successor.of(OLD, answer '{"refresh\\u005ftoken":null}'))
  end)

  it("is not misled by other members of that name", function()
    local new = answer '{"a":{"refresh_token":null},"t":"\\"refresh_token\\":null","refresh_token":null}'
    local kept = successor.of(OLD, new)
    assert.equal('"old\\u002d1"', (json.slice(kept, "session", "Privy", "refresh_token")))
    assert.equal("null", (json.slice(kept, "session", "Privy", "a", "refresh_token")))
    assert.equal(#new - #"null" + #'"old\\u002d1"', #kept)
  end)

  it("takes nothing over when there is no old token", function()
    local new = answer '{"refresh_token":null}'
    for _, old in ipairs { "{}", '{"session":{"Privy":{"refresh_token":null}}}', '{"session":{"Privy":{"refresh_token":""}}}',
      '{"session":{"Privy":{"refresh_token":7}}}' } do
      assert.equal(new, successor.of(old, new))
    end
  end)

  it("never moves a token into the session of another user", function()
    local new = answer '{"user_id":"u2","token":"t2"}'
    assert.equal(new, successor.of(OLD, new))
    assert.not_equal(new, successor.of(OLD, (new:gsub("u2", "\\u00751"))))
  end)

  it("leaves alone what it does not understand", function()
    for _, new in ipairs { '{"session":{"Turnkey":{}}}', '{"session":{"Privy":[]}}', '{"session":null}', "{}" } do
      assert.equal(new, successor.of(OLD, new))
    end
  end)
end)
