-- The keeper over a store of a user, which may lose a record that it has taken, raise, or
-- return what no store should.

local child = require "spec.support.child"
local errors = require "grid.errors"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, events

local function start(given)
  server = rig.server()
  keeper, events = rig.keeper(server, given)
end

-- Another keeper in the place of the one before.
local function start_again(given)
  keeper:close()
  keeper, events = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  keeper, server, events = nil, nil, nil
  rig.finish()
end)

describe("A store of a user", function()
  it("may return a conflict each time, and false for nil", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    keeper.store = rig.spoiled(keeper.store, { put = function() return false, "conflict" end })
    local _, err = keeper:refresh("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "store", code = "conflict" })
    assert.equal(0, #server.raw.requests)
    assert.equal("added failed", rig.names(events))
  end)

  -- A store that has the record, but could not bring it to its disk. After that, it takes
  -- no record `failures` times.
  local function volatile(times, failures)
    local left, failures_left = times, failures or 0
    return { put = function(call, ...)
      if left == 0 and failures_left > 0 then
        failures_left = failures_left - 1
        return nil, "the disk is full"
      end
      local rev, problem = call(...)
      if not rev or left == 0 then return rev, problem end
      left = left - 1
      return nil, errors.new { kind = "store", code = "not_durable", message = "the disk failed" }
    end }
  end

  it("gets an intent that it may lose once more, and nothing is sent before it is durable", function()
    for times, requests in ipairs { 1, 0 } do
      start()
      assert(keeper:add("me", rig.TOKENS))
      local store = keeper.store
      keeper.store = rig.spoiled(store, volatile(times))
      local session, err = keeper:refresh("me", { timeout = 0 })
      assert.equal(requests, #server.raw.requests)
      if requests == 1 then
        assert.equal("access-1", session.access_token)
        assert.equal(3, keeper.store.calls.put)
      else
        raw_rig.assert_error(err, { kind = "store", code = "not_durable" })
        assert.equal(2, keeper.store.calls.put)
      end
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)

  -- From the next request on, the store may lose so many puts, and then takes none so
  -- often. -> the store without that
  local function make_volatile_at_refresh(times, failures)
    local store = keeper.store
    server.faults[1] = function(self, request, execute)
      keeper.store = rig.spoiled(store, volatile(times, failures))
      return execute(self, request)
    end
    return store
  end

  it("gets an answer that it may lose once more, before the caller gets it", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    make_volatile_at_refresh(2)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal(3, keeper.store.calls.put)
    assert.equal(1, server.executions)
  end)

  it("gets an answer that it may lose once more, also after it took nothing for some time", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    make_volatile_at_refresh(1, 2)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal(4, keeper.store.calls.put)
  end)

  it("has a refusal, or a failure, that it has taken with an error: it is told once", function()
    for _, expected in ipairs { "dead", "failed suspended" } do
      start()
      assert(keeper:add("me", rig.TOKENS))
      make_volatile_at_refresh(1)
      if expected == "dead" then
        server.current.refresh = 7
      else
        local fault = server.faults[1]
        server.faults[1] = function(...)
          fault(...)
          return rig.response(502, "")
        end
      end
      rig.pass(3500)
      assert.equal(1, assert(keeper:refresh_due()).failed)
      keeper:get "me"
      assert.equal(0, assert(keeper:refresh_due()).failed)
      assert.equal("added " .. expected, rig.names(events))
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)

  it("has not taken a new session that it may lose, and fails to take once more", function()
    start { store = rig.spoiled(grid.store.memory(), volatile(1, 1)) }
    local session, err = keeper:add("me", rig.TOKENS)
    assert.is_nil(session)
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.equal("", rig.names(events))
  end)

  it("gets a new session that it may lose once more", function()
    for times = 0, 2 do
      start { store = rig.spoiled(grid.store.memory(), volatile(times)) }
      local session, err = keeper:add("me", rig.TOKENS)
      assert.equal(times < 2, session ~= nil)
      if err then raw_rig.assert_error(err, { kind = "store", code = "not_durable" }) end
      assert.equal(times == 0 and 1 or 2, keeper.store.calls.put)
      assert.equal("access-0", assert(keeper:get "me").access_token)
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)

  it("gets an answer that it may lose once more, before that leaves the spool", function()
    local folder = child.folder()
    start { spool = folder.path .. "/spool" }
    assert(keeper:add("me", rig.TOKENS))
    local store = make_volatile_at_refresh(2)
    assert(keeper:refresh "me")
    assert.equal("added spooled", rig.names(events))
    local other = rig.keeper(server, { store = rig.spoiled(store, volatile(1)), spool = folder.path .. "/spool" })
    for round, left in ipairs { 1, 0 } do
      other:refresh_due()
      assert.equal(round, other.store.calls.put)
      assert.equal(left, #other.spool:list(10))
    end
    other:close()
    folder:remove()
  end)

  it("may be a spool that may lose an answer: it gets that once more, before the caller gets it", function()
    local folder = child.folder()
    start { spool = folder.path .. "/spool" }
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      keeper.store = rig.spoiled(keeper.store, { put = function() return nil, "full" end })
      return execute(self, request)
    end
    local durable, put = 0, volatile(1).put
    keeper.spool = rig.spoiled(keeper.spool, { put = function(...)
      local rev, problem = put(...)
      durable = durable + (rev and 1 or 0)
      return rev, problem
    end })
    keeper.spool.prepare, keeper.spool.list_readable = function() return true end, keeper.spool.list
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal("added spooled", rig.names(events))
    assert.same({ 1, 1 }, { durable, #keeper.spool:list(10) })
    folder:remove()
  end)

  it("gets a time with each record, also of a session that has ended", function()
    local times = 0
    start { store = rig.spoiled(grid.store.memory(), { put = function(call, id, rev, blob, due_at)
      assert(type(due_at) == "number", "no time")
      times = times + 1
      return call(id, rev, blob, due_at)
    end }) }
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function() return rig.response(400, '{"error":"invalid_grant"}') end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "auth", code = "reauthentication_required" })
    assert.equal(3, times)
    assert.equal(0, assert(keeper:refresh_due()).due)
  end)

  it("may tell in its errors what it was to put: the caller is shown no token", function()
    start { store = rig.spoiled(grid.store.memory(), { put = function(_, _, _, blob) error("syntax error near " .. blob) end }) }
    local _, err = keeper:add("me", rig.TOKENS)
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.is_truthy(err.message:find "syntax error near %[record%]$")
  end)

  it("may be that of Redis, over a client that tells in its errors what it was to send", function()
    start { store = grid.store.redis { connect = function()
      return { eval = function(_, _, _, ...) error("EVAL " .. table.concat({ ... }, " ")) end }
    end } }
    local _, err = keeper:add("me", rig.TOKENS)
    raw_rig.assert_error(err, { kind = "store", code = "not_answered" }) -- of the read
    keeper.store.get = function() end
    _, err = keeper:add("me", rig.TOKENS)
    raw_rig.assert_error(err, { kind = "store", code = "not_answered" })
    assert.is_truthy(err.message:find "EVAL .*%[record%]$")
  end)

  it("may raise a value that has no text", function()
    for _, value in ipairs { function() error "no text" end, function() return 5 end } do
      start { store = rig.spoiled(grid.store.memory(), { get = function()
        error(setmetatable({}, { __tostring = value }))
      end }) }
      for _, method in ipairs { "get", "refresh", "remove", "status" } do
        local _, err = keeper[method](keeper, "me")
        raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
        assert.matches("^the store failed: [%w ]+$", err.message)
      end
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)

  it("may return something else than a record and a list", function()
    start()
    for _, value in ipairs { 1, true } do
      local function wrong() return value end
      start_again { store = rig.spoiled(keeper.store, { get = wrong, due = wrong, list = wrong }) }
      for _, method in ipairs { "get", "refresh_due", "list", "remove", "status" } do
        local result, err = keeper[method](keeper, (method == "get" or method == "remove" or method == "status") and "me" or nil)
        assert.is_nil(result)
        raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
      end
    end
  end)

  it("may return ids that are no strings, as a database does that has made numbers of them", function()
    for _, value in ipairs { 7, 0 / 0, true } do
      local function wrong() return { "me", value } end
      start { store = rig.spoiled(grid.store.memory(), { due = wrong, list = wrong }) }
      for _, method in ipairs { "refresh_due", "list" } do
        local result, err = keeper[method](keeper)
        assert.is_nil(result)
        raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
        assert.matches("returned an id that is a " .. type(value), err.message)
      end
      rig.close(keeper, server)
    end
    keeper, server = nil, nil
  end)
end)
