-- The rounds of refresh_due: each session comes to its turn, although others cannot be
-- refreshed; what a store and a handler may do meanwhile.

local core = require "grid.core"
local errors = require "grid.errors"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"
local waiting = require "grid.keeper.waiting"

local server, keeper

local function start(given)
  server = rig.server()
  keeper = rig.keeper(server, given)
end

-- Another keeper in the place of the one before.
local function start_again(given)
  keeper:close()
  keeper = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  keeper, server = nil, nil
  rig.finish()
end)

describe("The rounds of refresh_due", function()
  it("come to each session, although some records cannot be read", function()
    start()
    local store = keeper.store
    for i = 1, 3 do assert(store:put("bad" .. i, nil, "grid-keeper-record 9\n", i)) end
    assert(keeper:add("me", rig.TOKENS))
    start_again { store = store }
    rig.pass(4000)
    for _ = 1, 3 do assert(keeper:refresh_due { limit = 2 }) end
    assert.equal(1, server.executions)
  end)

  it("come to each session, although the store lists some that it has not", function()
    start()
    local store = keeper.store
    assert(keeper:add("me", rig.TOKENS))
    start_again { store = rig.spoiled(store, { due = function(due, now, limit)
      local ids = { "gone1", "gone2", "gone3", due(now, limit)[1] }
      for i = #ids, limit + 1, -1 do ids[i] = nil end
      return ids
    end }) }
    rig.pass(4000)
    for _ = 1, 3 do assert(keeper:refresh_due { limit = 2 }) end
    assert.equal(1, server.executions)
  end)

  it("come to a session that could not be read, although others stay due, whatever the limit", function()
    local is_down = false
    start { store = rig.spoiled(grid.store.memory(), { get = function(get, id)
      if is_down and id == "me" then error "the disk fails" end
      return get(id)
    end }) }
    local function refuse(self, request, execute)
      if request:find "refresh_token=me%-" then return execute(self, request) end
      return rig.response(503, "")
    end
    for _, id in ipairs { "me", "a", "b", "c", "d" } do
      assert(keeper:add(id, { access_token = "a", refresh_token = id .. "-0", expires_in = 100 }))
    end
    server.expires_in = 60
    for limit = 1, 3 do
      is_down = true
      local executions = server.executions
      for round = 1, 20 do
        if round == 10 then is_down = false end
        rig.pass(61)
        for i = 1, limit do server.faults[i] = refuse end
        assert(keeper:refresh_due { limit = limit })
      end
      assert.is_true(server.executions > executions)
    end
  end)

  it("come to each session, although some are not due any more since the wall clock was set forward", function()
    start()
    local store = keeper.store
    rig.set_wall(-7200)
    for i = 1, 5 do assert(keeper:add("old" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 })) end
    rig.set_wall(0)
    assert(keeper:add("me", { access_token = "a", refresh_token = "me-0", expires_in = 60 }))
    rig.pass(60)
    rig.set_wall(60)
    start_again { store = store }
    for _ = 1, 4 do assert(keeper:refresh_due { limit = 2 }) end
    assert.equal(1, server.executions)
    rig.pass(3540) -- all of them are due now
    for _ = 1, 3 do assert(keeper:refresh_due { limit = 2 }) end
    assert.equal(7, keeper.counters.refreshed)
  end)

  -- Nothing is put for the session "bad", which is due first.
  local function assert_turn_of_others(store)
    start_again { store = store, exchange = keeper.exchange }
    for _ = 1, 3 do assert(keeper:refresh_due { limit = 1 }) end
    assert.equal(1, server.current.good)
  end

  local function add_both()
    assert(keeper:add("bad", { access_token = "a", refresh_token = "bad-0", expires_in = 3000 }))
    assert(keeper:add("good", { access_token = "a", refresh_token = "good-0", expires_in = 3600 }))
  end

  it("come to each session, although some are dead, and were copied to the store as due", function()
    start()
    local old, new = keeper.store, grid.store.memory()
    add_both()
    server.faults[1] = function() return rig.response(400, '{"error":"invalid_grant"}') end
    assert.is_nil(keeper:refresh "bad")
    for i, id in ipairs(old:list(10)) do assert(new:put(id, nil, assert(old:get(id)), i)) end
    rig.pass(3590)
    assert_turn_of_others(new)
    assert.same({ due = 1, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }, keeper:refresh_due())
  end)

  it("come to each session, although the exchange makes no grant for some", function()
    start()
    local grant = keeper.exchange.grant
    keeper.exchange.grant = function(tokens)
      if tokens.refresh_token == "bad-0" then error "no grant" end
      return grant(tokens)
    end
    add_both()
    rig.pass(3590)
    assert_turn_of_others(keeper.store)
  end)

  it("come to each session, although the store refuses some by an error that is not its own", function()
    start()
    local store, problem = keeper.store, errors.new { kind = "network", code = "timeout", message = "a store behind HTTP" }
    add_both()
    rig.pass(3590)
    assert_turn_of_others(rig.spoiled(store, { put = function(put, id, ...)
      if id == "bad" then return nil, problem end
      return put(id, ...)
    end }))
  end)

  it("come to each session, although the store does not take the answer of some", function()
    if rawget(_G, "ngx") then return end -- in an event loop the refresh waits for the store
    start()
    add_both()
    local store = keeper.store
    keeper.store = rig.spoiled(store, { put = function(put, id, ...)
      if id == "bad" and server.current.bad then return nil, "too large" end
      return put(id, ...)
    end })
    rig.pass(3000)
    assert.equal(1, assert(keeper:refresh_due()).failed)
    rig.pass(590)
    for _ = 1, 3 do assert(keeper:refresh_due { limit = 1 }) end
    assert.equal(1, server.current.good)
    keeper.store = store
  end)

  it("come again to a session whose record was not written, although more are due than a round has room for", function()
    start()
    for i = 1, 40 do assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 })) end
    rig.pass(3590)
    local store, failed = keeper.store, nil
    keeper.store = rig.spoiled(store, { put = function(put, id, ...)
      failed = failed or id
      if id == failed then return nil, "damaged" end
      return put(id, ...)
    end })
    assert.equal(1, assert(keeper:refresh_due { limit = 4 }).failed)
    keeper.store = store
    assert.equal(4, assert(keeper:refresh_due { limit = 4 }).refreshed)
    assert.equal(1, server.current[failed:sub(3)])
  end)

  it("come to each session in memory, although the wall clock was set back, and others cannot be written", function()
    for i = 1, 3 do
      start()
      for j = 1, 3 do assert(keeper:add("id" .. j, { access_token = "a", refresh_token = j .. "-0", expires_in = 3600 })) end
      keeper.store = rig.spoiled(keeper.store, { put = function(put, id, ...)
        if id ~= "id" .. i then return nil, "damaged" end
        return put(id, ...)
      end })
      rig.pass(3590)
      rig.set_wall(-7200)
      for _ = 1, 3 do assert(keeper:refresh_due { limit = 1 }) end
      assert.equal(1, server.executions)
      rig.close(keeper, server)
      rig.begin()
    end
  end)

  it("fetch the metadata of a server once", function()
    server = rig.process()
    local exchange, reads = rig.exchange(server), 0
    exchange.discovery = { urls = { server.url }, read = function()
      reads = reads + 1
      return true
    end }
    keeper = rig.keeper(server, { exchange = exchange })
    assert(keeper:add("me", rig.TOKENS))
    for _ = 1, 2 do
      rig.pass(4000)
      assert.equal(1, assert(keeper:refresh_due()).refreshed)
    end
    assert.equal(1, reads)
  end)

  it("may begin a round in a handler of events", function()
    server = rig.process()
    local nested = {}
    keeper = rig.keeper(server, { on_event = function(event)
      local results = event.name == "refreshed" and { pcall(keeper.refresh_due, keeper) }
      nested[#nested + 1] = results or nil
    end })
    for i = 1, 5 do assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 60 })) end
    rig.pass(4000)
    assert.equal(5, assert(keeper:refresh_due()).refreshed)
    assert.is_true(raw_rig.await(function() return #nested == 5 end))
    for _, results in ipairs(nested) do assert.is_true(results[1], results[2]) end
    assert.equal(5, server.stats().executions)
  end)

  it("let a store yield to the scheduler of the program, and go on without one", function()
    if rawget(_G, "ngx") then return end -- nginx is the scheduler there
    server = rig.process()
    local store = grid.store.memory()
    local options = { store = rig.spoiled(store, { put = function(put, ...)
      if core.is_yieldable() then assert.equal("resumed", coroutine.yield("yielded") or "resumed") end
      return put(...)
    end }) }
    keeper = rig.keeper(server, options)
    for i = 1, 5 do assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 60 })) end
    for round, run in ipairs {
      function() return keeper:refresh_due() end,
      function()
        local thread, yields = coroutine.create(function() return keeper:refresh_due() end), 0
        local _, value = assert(coroutine.resume(thread))
        while value == "yielded" do
          yields = yields + 1
          _, value = assert(coroutine.resume(thread, "resumed"))
        end
        assert.equal(10, yields)
        return value
      end,
    } do
      rig.pass(4000)
      assert.equal(5, assert(run()).refreshed)
      assert.equal(5 * round, server.stats().executions)
    end
  end)

  -- A wait for the scheduler would have no end.
  local function without_long_waits(work)
    local wait_any, count = waiting.wait_any, 0
    waiting.wait_any = function(...)
      count = count + 1
      assert(count < 5, "waits for a coroutine that does not run")
      return wait_any(...)
    end
    local ok, problem = pcall(work)
    waiting.wait_any = wait_any
    assert(ok, problem)
  end

  for method, id in pairs { get = "me", refresh_due = false } do
    it(("do not wait for a coroutine of the program, which has called %s"):format(method), function()
      if rawget(_G, "ngx") then return end -- nginx is the scheduler there
      server = rig.process()
      keeper = rig.keeper(server)
      assert(keeper:add("me", rig.TOKENS))
      local store, has_yielded = keeper.store, false
      keeper.store = rig.spoiled(store, { put = function(put, ...)
        if not has_yielded then
          has_yielded = true
          coroutine.yield()
        end
        return put(...)
      end })
      rig.pass(3590)
      local thread = coroutine.create(function() return keeper[method](keeper, id or nil) end)
      assert(coroutine.resume(thread))
      without_long_waits(function()
        assert.same({ due = 1, refreshed = 0, adopted = 0, failed = 0, elsewhere = 1 }, assert(keeper:refresh_due()))
      end)
      assert(coroutine.resume(thread))
      assert.same({ "dead", 1 }, { coroutine.status(thread), server.stats().executions })
    end)
  end

  it("do not wait for a coroutine that another round has resumed, and that waits for the program", function()
    if rawget(_G, "ngx") then return end -- nginx is the scheduler there
    server = rig.process()
    keeper = rig.keeper(server)
    for _, id in ipairs { "first", "second" } do
      assert(keeper:add(id, { access_token = "a", refresh_token = id .. "-0", expires_in = id == "first" and 60 or 90 }))
    end
    local yields = { second1 = true, first2 = true } -- the intent of one, the answer of the other
    local puts = { first = 0, second = 0 }
    keeper.store = rig.spoiled(keeper.store, {
      put = function(put, id, ...)
        puts[id] = puts[id] + 1
        if yields[id .. puts[id]] then coroutine.yield(id) end
        return put(id, ...)
      end,
      due = function(_, _, limit) return { "first", limit > 1 and "second" or nil } end,
    })
    rig.pass(100)
    local one = coroutine.create(function() return keeper:refresh_due() end)
    local other = coroutine.create(function() return keeper:refresh_due { limit = 1 } end)
    assert.equal("second", select(2, assert(coroutine.resume(one))))
    assert.equal("first", select(2, assert(coroutine.resume(other))))
    local began = core.now()
    assert(coroutine.resume(one))
    assert.equal("dead", coroutine.status(one))
    assert.is_true(core.now() < began + 0.5, core.now() - began)
    assert(coroutine.resume(other))
    assert.same({ "dead", 2 }, { coroutine.status(other), server.stats().executions })
    assert.equal(2, keeper:status "first".generation)
  end)

  it("end in a forked child, and continue in the parent", function()
    if rawget(_G, "ngx") then return end -- the loop is that of nginx there
    local pid = core.pid
    server = rig.process()
    keeper = rig.keeper(server, { on_event = function(event)
      if event.name == "refreshed" then core.pid = function() return -1 end end
    end })
    for i = 1, 5 do assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 60 })) end
    rig.pass(4000)
    local _, err = keeper:refresh_due()
    raw_rig.assert_error(err, { kind = "cancelled", code = "forked" })
    local loop = keeper.event_loop
    keeper.on_event = false
    assert(keeper:refresh_due()) -- of the child, which waits for the parent
    assert.same({ 1, false }, { keeper.counters.refreshed, loop == keeper.event_loop })
    core.pid, keeper.event_loop = pid, loop
    assert(keeper:refresh_due())
    assert.same({ 5, 5 }, { keeper.counters.refreshed, server.stats().executions })
  end)

  it("close the keeper whole, if a handler of events has closed it", function()
    server = rig.process()
    keeper = rig.keeper(server, { on_event = function(event)
      if event.name == "refreshed" then keeper:close() end
    end })
    for i = 1, 2 do assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 60 })) end
    rig.pass(4000)
    assert(keeper:refresh_due())
    assert.equal(2, server.stats().executions)
    assert.is_true(raw_rig.await(function() return keeper.http.closed end))
    if keeper.event_loop_http then assert.is_true(keeper.event_loop_http.closed) end -- plain Lua only
  end)
end)
