-- A refresh whose answer has no refresh token, and the later refresh that spends the old
-- token. The rule itself is tested in session_spec.lua.

local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

describe("client:refresh_session keeps the refresh token that was sent, where an answer brings none:", function()
  local server = rig.sandbox()
  local own = rig.refreshing(server)
  local refresh = own.refresh

  local function spent(token) return server:executions("refresh_token", token) end

  -- The next refresh spends it, and the one after that spends what the next one brought.
  local function assert_alive(res, token)
    assert.equal(token, json.decode(res.kms_payload_json).session.Privy.refresh_token)
    local before = spent(token)
    server:set { tier = "2" }
    res = assert(refresh(res.kms_payload_json))
    assert.equal("equal", server:last().payload)
    assert.equal(before + 1, spent(token))
    assert(refresh(res.kms_payload_json))
    assert.equal(0, server:stats().reuses)
  end

  it("of text and of a table", function()
    for _, form in ipairs { tostring, json.decode } do
      local saved, privy = rig.session(server)
      server:set { tier = "1" }
      server:fault { kind = "no_refresh_token", execute = true }
      local res = assert(refresh(form(saved)))
      assert.is_nil(res.data.kms_payload.session.Privy.refresh_token) -- data is as the service answers, and so is the body
      assert.is_nil(res.body:find(privy.refresh_token, 1, true))
      assert_alive(res, privy.refresh_token)
    end
  end)

  it("of a table whose token needs escapes, as it went out", function()
    local body = '{"session":{"Privy":{"token":"t","refresh_token":null,"session":{"expires_at":1}}}}'
    server:fault { kind = "body", body = '{"data":{"kms_payload":' .. body .. "}}" }
    local token = 'a"\\\n\1/\226\130\172%1'
    local res = assert(refresh { session = { Privy = { refresh_token = token } } })
    local raw = server:last().body:match '"refresh_token":(.*)}}}}$'
    assert.equal((body:gsub("null", function() return raw end)), res.kms_payload_json)
    assert.equal(token, json.decode(res.kms_payload_json).session.Privy.refresh_token)
  end)

  it("of each request of a batch its own", function()
    local requests, tokens = {}, {}
    for i = 1, 5 do
      local saved, privy = rig.session(server)
      requests[i] = { encryption_public_key = rig.KEY, kms_payload = i % 2 == 0 and json.decode(saved) or saved }
      tokens[i] = privy.refresh_token
    end
    server:fault { kind = "no_refresh_token", execute = true, count = 5 }
    local results = own.client:refresh_sessions(requests, { concurrency = 3 })
    for i, token in ipairs(tokens) do
      assert.equal(token, json.decode(assert(results[i][1]).kms_payload_json).session.Privy.refresh_token)
    end
  end)

  it("of an answer that is not wrapped, or takes some tries", function()
    local saved, privy = rig.session(server)
    local other = rig.client(server, { retries = 1, host = rig.virtual_host() })
    server:fault { kind = "status", status = 503 }
    server:fault { kind = "body", body = '{"kms_payload":{"session":{"Privy":{"token":"t","session":{"expires_at":1}}}}}' }
    local res = assert(other:refresh_session(rig.request(server, saved)))
    assert.equal(('{"session":{"Privy":{"refresh_token":"%s","token":"t","session":{"expires_at":1}}}}'):format(
      privy.refresh_token), res.kms_payload_json)
    assert.equal(2, res.attempts)
  end)

  it("but puts nothing in where nothing was sent: in the cookie flow", function()
    local _, privy = rig.session(server)
    server:fault { kind = "no_refresh_token", execute = true, count = 2 }
    for _, payload in ipairs { false, grid.null } do
      local res = assert(refresh(payload or nil, { cookie = "grid_session=" .. privy.refresh_token }))
      assert.is_nil(res.kms_payload_json:find("refresh_token", 1, true))
      assert.same(res.data.kms_payload, json.decode(res.kms_payload_json))
    end
  end)
end)
