-- The sessions that a keeper hands out, and what handing out a fresh one costs, against a
-- server in this process.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local random = require "grid.random"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"
local verify = require "spec.exchange.verify"

local server, keeper

local function start(given)
  server = rig.server()
  keeper = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  keeper, server = nil, nil
  rig.finish()
end)

describe("a session", function()
  it("is a snapshot that shows no secret", function()
    start()
    local session = assert(keeper:add("me", rig.TOKENS))
    raw_rig.assert_misuse(function() session.access_token = "x" end, "access_token")
    assert.equal("grid.session: me, generation 1", tostring(session))
    assert.is_nil(next(session))
    assert.is_nil(session.refresh_token)
    assert.is_nil(session.data.refresh_token)
    local _, err = session:authorization_key()
    raw_rig.assert_error(err, { code = "no_authorization_key" })
    assert.equal("a1", assert(keeper:refresh "me").data.account)
    assert.is_nil(session.data.account)
  end)

  it("makes proofs for requests with its access token", function()
    server = rig.server()
    keeper = rig.keeper(server, { exchange = rig.exchange(server, { client_auth = "none", client_secret = false, dpop = true }) })
    assert(keeper:add("me", rig.TOKENS))
    local session = assert(keeper:refresh "me")
    local proof = assert(session:dpop_proof("GET", "https://api.example/x?y", "n1"))
    local header = json.decode(core.base64url_decode(proof:match "^[^.]+"))
    local _, claims = verify.jws(proof, verify.public_key(header.jwk))
    assert.same({ "GET", "https://api.example/x", "n1" }, { claims.htm, claims.htu, claims.nonce })
    assert.equal("9MKET0Y7WpOlF96BtnoJyLnXlpe9Pn5RReIOHKIBPAY", claims.ath)
  end)

  it("makes no proof of what is no text, or cannot be in one", function()
    server = rig.server()
    keeper = rig.keeper(server, { exchange = rig.exchange(server, { dpop = true }) })
    assert(keeper:add("me", rig.TOKENS))
    local session = assert(keeper:refresh "me")
    for _, given in ipairs { {}, { "GET" }, { false, "https://x" }, { "GET", 5 }, { "GET", "https://x", 5 } } do
      raw_rig.assert_misuse(function() session:dpop_proof(given[1], given[2], given[3]) end, "must be a string")
    end
    for _, given in ipairs { { "GET", "https://x/\255" }, { "\255", "https://x" }, { "GET", "https://x", "\255" } } do
      local proof, err = session:dpop_proof(given[1], given[2], given[3])
      assert.is_nil(proof)
      raw_rig.assert_error(err, { kind = "request", sent = "no" })
    end
  end)

  it("has the answer of a login that was given as text", function()
    start()
    local session = assert(keeper:add("me", '{"access_token":"a","refresh_token":"r","team":"t","expires_in":60}'))
    assert.equal("t", session.data.team)
  end)
end)

describe("refresh", function()
  it("sends once, however short the pause is that follows a failure", function()
    local unit = random.unit
    random.unit = function() return 1e-9 end
    start()
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function() return rig.response(503, "") end
    local _, err = keeper:refresh "me"
    random.unit = unit
    raw_rig.assert_error(err, { code = "http_503", status = 503 })
    assert.equal(1, #server.raw.requests)
  end)
end)

describe("get of a fresh session", function()
  it("reads the clock once", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local boot, reads = clock.boot, 0
    clock.boot = function()
      reads = reads + 1
      return boot()
    end
    for _ = 1, 10 do assert(keeper:get "me") end
    assert.equal(10, reads)
  end)

  it("asks no store, and allocates no memory", function()
    start()
    keeper:close()
    keeper = nil
    local store = rig.spoiled(grid.store.memory(), {})
    keeper = rig.keeper(server, { store = store, recheck = 3600 })
    assert(keeper:add("me", rig.TOKENS))
    local gets = store.calls.get
    local function many()
      for _ = 1, 1000 do keeper:get "me" end
    end
    -- LuaJIT allocates when it compiles, and gives up after some tries. A hook may step
    -- the collector, though it is stopped.
    local hook, mask, every = debug.gethook()
    debug.sethook()
    local least = math.huge
    for _ = 1, 50 do
      collectgarbage()
      collectgarbage "stop"
      local before = collectgarbage "count"
      many()
      least = math.min(least, collectgarbage "count" - before)
      collectgarbage "restart"
    end
    if hook then debug.sethook(hook, mask, every) end
    assert.equal(0, least)
    assert.equal(gets, store.calls.get)
  end)
end)
