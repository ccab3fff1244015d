-- A keeper that is closed, and coroutines that are dropped or closed, during a refresh.

local flights = require "grid.keeper.flights"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, events

local function start(given)
  server = rig.server()
  keeper, events = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  keeper, server, events = nil, nil, nil
  rig.finish()
end)

describe("A keeper that is closed while a caller reads the store", function()
  -- In a method of its store, 10 seconds before the session ends.
  local function closing(method)
    local spoil = {}
    start { store = rig.spoiled(grid.store.memory(), spoil), host = false }
    assert(keeper:add("me", rig.TOKENS))
    spoil[method] = function(call, ...)
      keeper:close()
      return call(...)
    end
    rig.pass(3590)
  end

  it("begins no refresh of a session that is still valid", function()
    closing "get"
    assert.equal("access-0", assert(keeper:get "me").access_token)
    assert.same({ 1, 0 }, { keeper.store.calls.put, #server.raw.requests })
  end)

  it("begins no refresh of one that has expired, and emits no event", function()
    closing "get"
    rig.pass(10)
    local session, err = keeper:get "me"
    assert.is_nil(session)
    raw_rig.assert_error(err, { kind = "cancelled", code = "keeper_closed" })
    assert.same({ 1, 0, "added" }, { keeper.store.calls.put, #server.raw.requests, rig.names(events) })
  end)

  it("begins no refresh of what is due, and no sender", function()
    closing "due"
    assert.same({ due = 1, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }, keeper:refresh_due())
    assert.same({ 1, false }, { keeper.store.calls.put, keeper.event_loop_http })
  end)
end)

describe("A coroutine that is dropped", function()
  -- Until its store yields: `step` is the number of that operation.
  local function drop(method, step, run)
    local store, count = keeper.store, 0
    keeper.store = rig.spoiled(store, { [method] = function(call, ...)
      count = count + 1
      local a, b, c = call(...)
      if count == step then coroutine.yield "here" end
      return a, b, c
    end })
    local thread = coroutine.create(run)
    assert.equal("here", select(2, coroutine.resume(thread)))
    keeper.store = store
    return thread
  end

  it("ends its refresh, which the next caller goes on with", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local thread = drop("put", 1, function() keeper:refresh "me" end)
    assert.equal(1, rig.refreshes_in_flight(keeper))
    assert.is_nil((keeper:refresh("me", { timeout = 0 })))
    assert.equal("suspended", coroutine.status(thread))
    thread = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(0, rig.refreshes_in_flight(keeper))
    rig.pass(4000)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
  end)

  if coroutine.close then
    it("or closed, and not dropped, ends its refresh, too", function()
      start()
      assert(keeper:add("me", rig.TOKENS))
      local thread = drop("put", 1, function() keeper:refresh "me" end)
      assert(coroutine.close(thread))
      assert.equal(0, rig.refreshes_in_flight(keeper))
      rig.pass(20)
      assert.equal("access-1", assert(keeper:refresh "me").access_token)
      assert.equal(1, server.executions)
    end)
  end

  it("leaves its answer to the next caller", function()
    start { store = grid.store.memory() }
    assert(keeper:add("me", rig.TOKENS))
    local store = keeper.store
    keeper.store = rig.spoiled(store, { put = function(call, ...)
      if server.executions == 1 then coroutine.yield "here" end
      return call(...)
    end })
    local thread = coroutine.create(function() keeper:refresh "me" end)
    assert.equal("here", select(2, coroutine.resume(thread)))
    keeper.store, thread = store, nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(2, assert(keeper:refresh "me").generation)
    assert.equal("access-1", keeper:get("me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
  end)

  it("keeps what a service has refused for the next get, if its flight refreshes nothing", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local thread = drop("get", 1, function() flights.offer(keeper, "me", {}) end)
    assert(keeper:invalidate("me", 1))
    assert.equal(1, keeper:get("me").generation)
    assert(coroutine.resume(thread))
    assert.equal(2, keeper:get("me").generation)
    assert.equal(1, server.executions)
  end)
end)
