-- The keeper over a store that fails for a while, or whose changes are made although it
-- reports an error.

local grid = require "grid"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

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

describe("grid.keeper, over a store that fails,", function()
  it("sends nothing while the store takes no intent", function()
    local is_full = false
    start { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      if is_full then error "disk full" end
      return put(...)
    end }) }
    assert(keeper:add("me", rig.TOKENS))
    is_full = true
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.equal(0, #server.raw.requests)
    rig.pass(3600)
    _, err = keeper:get "me"
    raw_rig.assert_error(err, { kind = "timeout", code = "session_expired" })
    assert.equal("store", err.cause.kind)
    assert.equal(0, #server.raw.requests)
  end)

  it("goes on after a put that failed and has happened", function()
    local fails = 0
    start { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      local rev, err = put(...)
      if fails == 0 then return rev, err end
      fails = fails - 1
      error "the connection to the store was lost"
    end }) }
    fails = 1
    assert(keeper:add("me", rig.TOKENS))
    fails = 2
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal(1, server.executions)
  end)

  it("adds a session by a put that failed and has happened, although it was refreshed since", function()
    local other
    local store = grid.store.memory()
    start { store = rig.spoiled(store, { put = function(put, ...)
      assert(put(...))
      assert(other:refresh "me")
      error "the connection to the store was lost"
    end }) }
    other = rig.keeper(server, { store = store })
    assert.equal("access-1", assert(keeper:add("me", rig.TOKENS)).access_token)
    other:close()
  end)

  it("revokes the token of a session whose removal failed and has happened", function()
    local revoked, method, has_removed = {}, nil, true
    local function spoil(name)
      return function(call, ...)
        local results = { (has_removed or method ~= name) and call(...) }
        if method == name then error "the connection to the store was lost" end
        return (table.unpack or unpack)(results)
      end
    end
    start { store = rig.spoiled(grid.store.memory(), { put = spoil "put", remove = spoil "remove" }) }
    keeper.exchange.revoke = function(tokens) revoked[#revoked + 1] = tokens.refresh_token end
    assert(keeper:add("me", rig.TOKENS))
    method = "remove"
    assert.is_true(keeper:remove("me", { revoke = true }))
    method = nil
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      method = "put"
      assert.is_true(keeper:remove("me", { revoke = true }))
      method = nil
      return execute(self, request)
    end
    assert.is_nil((keeper:refresh "me"))
    assert.same({ "refresh-0", "refresh-0", "refresh-1" }, revoked)
    assert(keeper:add("me", rig.TOKENS))
    method, has_removed = "remove", false
    raw_rig.assert_error(select(2, keeper:remove("me", { revoke = true })), { code = "store_failed" })
    assert.equal(3, #revoked)
  end)

  it("serves what is valid while the store cannot be read", function()
    local is_down = false
    start { store = rig.spoiled(grid.store.memory(), { get = function(get, ...)
      if is_down == "raises" then error "no connection" end
      if is_down then return nil, "no connection" end
      return get(...)
    end }) }
    assert(keeper:add("me", rig.TOKENS))
    for _, way in ipairs { "returns", "raises" } do
      is_down = way
      rig.pass(10)
      assert.equal("access-0", assert(keeper:get "me").access_token)
      local _, problem = keeper:status "me"
      raw_rig.assert_error(problem, { kind = "store", code = "store_failed" })
    end
    rig.pass(3600)
    local _, err = keeper:get "me"
    raw_rig.assert_error(err, { kind = "timeout", code = "session_expired" })
    raw_rig.assert_error(err.cause, { kind = "store", code = "store_failed" })
    _, err = keeper:get "you"
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.equal(0, #server.raw.requests)
  end)
end)
