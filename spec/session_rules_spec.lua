-- The rules of grid.api.session for times, repetition and display, on values. The bytes
-- to store are tested in session_spec.lua.

local errors = require "grid.errors"
local grid = require "grid"
local json = require "grid.json"
local session = require "grid.api.session"
local session_facts = require "grid.api.session_facts"

local function payload_of(privy)
  return ('{"provider":"privy","session":{"Privy":%s}}'):format(privy)
end

local JWT = "eyJhbGciOiJub25lIn0.eyJleHAiOjE1MTYyMzkwMjJ9." -- exp: 1516239022

describe("the authorization key of a session", function()
  it("expires when its time is reached", function()
    assert.is_false(session.is_expired(1000, 999.9))
    assert.is_true(session.is_expired(1000, 1000))
    assert.is_true(session.is_expired(1000, 1000.1))
  end)

  it("has an expiry in seconds, in whatever unit it was given", function()
    assert.equal(1700000000, session.key_expiry(payload_of '{"session":{"expires_at":1700000000}}'))
    assert.equal(1700000000, session.key_expiry(payload_of '{"session":{"expires_at":1700000000999}}'))
  end)

  it("has none where the session tells none", function()
    for _, text in ipairs { "", "7", "[]", "{}", payload_of "7", payload_of "{}", payload_of '{"session":7}',
      payload_of '{"session":{"expires_at":"soon"}}', payload_of '{"session":{"expires_at":null}}' } do
      assert.is_nil(session.key_expiry(text), text)
    end
  end)
end)

describe("a refresh that failed", function()
  local function failed(fields, answer)
    fields.kind, fields.code, fields.message = "network", "lost", "the answer was lost"
    return errors.new(fields, answer)
  end

  it("is repeated with its idempotency key where its outcome is unknown, and only there", function()
    assert.equal("key", session.repeat_key(failed { sent = "unknown", idempotency_key = "key" }))
    assert.equal("key", session.repeat_key(failed { sent = "yes", status = 502, idempotency_key = "key" }))
    for _, fields in ipairs {
      { sent = "no" }, { sent = "yes", status = 503 }, { sent = "yes", status = 429 }, { sent = "yes", status = 401 },
    } do
      fields.idempotency_key = "key"
      assert.is_nil(session.repeat_key(failed(fields)))
    end
    assert.is_nil(session.repeat_key "a reason")
    assert.is_nil(session.repeat_key(nil))
  end)

  it("may have left the new session in the body of an accepted request, and only there", function()
    assert.equal("{", session.rescuable_body(failed({ sent = "yes", status = 200 }, { body = "{" })))
    for _, status in ipairs { 302, 400, 502 } do
      assert.is_nil(session.rescuable_body(failed({ sent = "yes", status = status }, { body = "{" })))
    end
    assert.is_nil(session.rescuable_body(failed({ sent = "yes", status = 200 }, { body = "" })))
    assert.is_nil(session.rescuable_body(failed { sent = "unknown" }))
    assert.is_nil(session.rescuable_body "a reason")
  end)
end)

describe("the identity of a session", function()
  it("is that of its refresh token, however the session is written", function()
    local one = payload_of '{"refresh_token":"r1","token":"a"}'
    local other = payload_of '{ "token":"b", "refresh_token":"\\u0072\\u0031" }'
    assert.equal(session_facts.identity(one), session_facts.identity(other))
    assert.not_equal(session_facts.identity(one), session_facts.identity(payload_of '{"refresh_token":"r2","token":"a"}'))
  end)

  it("is that of the whole session where there is no token", function()
    for _, member in ipairs { '"x":1', '"refresh_token":""', '"refresh_token":null', '"refresh_token":7' } do
      local one, other = payload_of(("{%s,\"y\":1}"):format(member)), payload_of(("{%s,\"y\":2}"):format(member))
      assert.not_equal(session_facts.identity(one), session_facts.identity(other))
      assert.equal(session_facts.identity(one), session_facts.identity(one))
    end
  end)

  it("shows no token", function()
    assert.is_nil(session_facts.identity(payload_of '{"refresh_token":"canary"}'):find("canary", 1, true))
  end)
end)

describe("the wallets of a session", function()
  it("are two sets, of addresses and of ids", function()
    local addresses, ids = session_facts.wallets(payload_of
      '{"session":{"wallets":[{"address":"A","id":"1"},{"address":"B"},{"id":"3"},{"address":7,"id":null},7,null]}}')
    assert.same({ { A = true, B = true }, { ["1"] = true, ["3"] = true } }, { addresses, ids })
  end)

  it("are none in any other session", function()
    for _, text in ipairs { "7", "{}", payload_of '{"session":{"wallets":7}}', payload_of '{"session":[]}' } do
      assert.same({ {}, {} }, { session_facts.wallets(text) })
    end
  end)
end)

describe("a Turnkey session", function()
  it("is one with such a member", function()
    assert.is_true(session.is_turnkey { session = { Turnkey = {} } })
    for _, payload in ipairs { {}, { session = 7 }, { session = {} }, { session = { Turnkey = json.null } } } do
      assert.is_false(session.is_turnkey(payload))
    end
  end)
end)

describe("what is shown of a session", function()
  local PRIVY = ('{"user_id":"u","token":"%s","privy_access_token":"canary-access","refresh_token":"canary-refresh",'
    .. '"session":{"expires_at":1700000000000,"wallets":[{"address":"A","chain_type":"solana"},{"address":""}]}}'):format(JWT)

  it("is expiries, addresses and fingerprints", function()
    local facts = session_facts.describe(payload_of(PRIVY), 1600000000)
    assert.same({ "privy", "u" }, { facts.provider, facts.user_id })
    assert.same({ expires_at = 1700000000, expired = false }, facts.authorization_key)
    assert.same({ 1516239022, true }, { facts.user_token.expires_at, facts.user_token.expired })
    assert.is_nil(facts.refresh_token.expires_at)
    assert.same({ { address = "A", chain_type = "solana" }, {} }, facts.wallets)
    assert.is_true(session_facts.describe(payload_of(PRIVY), 1700000000).authorization_key.expired)
  end)

  it("is no token", function()
    local text = assert(json.encode(session_facts.describe(payload_of(PRIVY), 0)))
    assert.is_nil(text:find("canary", 1, true))
    assert.is_nil(text:find(JWT, 1, true))
  end)

  it("tells whether a key pair opens the authorization key", function()
    local pair = assert(grid.keypair())
    local key = session_facts.describe(payload_of(PRIVY), 0, pair).authorization_key
    assert.same({ false, "no_encrypted_key" }, { key.opens, key.problem })
    pair:close()
  end)

  it("names a provider that is not known, and is otherwise empty for odd sessions", function()
    assert.equal("Turnkey", session_facts.describe('{"session":{"Turnkey":{}}}', 0).provider)
    assert.equal("privy", session_facts.describe('{"session":{"Privy":{}}}', 0).provider)
    for _, text in ipairs { "7", "[]", "{}", '{"session":7}', "not JSON" } do
      assert.same({ wallets = {} }, session_facts.describe(text, 0))
    end
  end)
end)
