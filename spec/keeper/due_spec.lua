-- What a keeper on plain Lua does for sessions that no caller asks for; its events and
-- metrics.

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

-- Another keeper begins a refresh, and does not go on. -> what closes that keeper
local function begin_refresh(id)
  local other = rig.keeper(server, { store = rig.spoiled(keeper.store, { put = function(put, ...)
    local rev, err = put(...)
    coroutine.yield()
    return rev, err
  end }) })
  local thread = coroutine.create(function() other:refresh(id) end)
  assert(coroutine.resume(thread))
  return function()
    thread = nil -- luacheck: ignore
    for _ = 1, 2 do collectgarbage() end
    other:close()
  end
end

describe("refresh_due", function()
  local function add(id)
    return assert(keeper:add(id, { access_token = "access-0", refresh_token = id .. "-0", expires_in = 3600 }))
  end

  it("refreshes what is due, and nothing else", function()
    start()
    for i = 1, 3 do add("s" .. i) end
    assert.same({ due = 0, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }, assert(keeper:refresh_due()))
    rig.pass(3600 - 30)
    server.faults[1] = function() return rig.response(503, "", "Retry-After: 100\r\n") end
    assert.same({ due = 3, refreshed = 2, adopted = 0, failed = 1, elsewhere = 0 }, assert(keeper:refresh_due()))
    assert.same({ due = 0, refreshed = 0, adopted = 0, failed = 0, elsewhere = 0 }, assert(keeper:refresh_due()))
    rig.pass(103)
    assert.same({ due = 1, refreshed = 1, adopted = 0, failed = 0, elsewhere = 0 }, assert(keeper:refresh_due()))
  end)

  it("begins with so many as its limit says", function()
    start()
    for i = 1, 3 do add("s" .. i) end
    rig.pass(3600 - 30)
    assert.equal(2, assert(keeper:refresh_due { limit = 2 }).refreshed)
    assert.equal(1, assert(keeper:refresh_due { limit = 2 }).refreshed)
  end)

  it("finds what is in memory after the wall clock was set back", function()
    start()
    add "s1"
    rig.pass(3600 - 30)
    rig.set_wall(-7200)
    assert.equal(1, assert(keeper:refresh_due()).refreshed)
  end)

  it("drops the answer of a removed session, and its tombstone", function()
    start()
    add "s1"
    server.faults[1] = function(self, request, execute)
      assert.is_true(keeper:remove "s1")
      assert.is_truthy(keeper.store:get "s1")
      return execute(self, request)
    end
    local _, err = keeper:refresh "s1"
    raw_rig.assert_error(err, { code = "not_found" })
    assert.equal("added removed dropped", rig.names(events))
    assert.is_nil(keeper.store:get "s1")
  end)

  for _, method in ipairs { "refresh_due", "get", "refresh", "remove" } do
    it(("or %s, removes the tombstone of a session, when the time of its owner is over"):format(method), function()
      start()
      add "s1"
      local close = begin_refresh "s1"
      assert.is_true(keeper:remove "s1")
      local id = method ~= "refresh_due" and "s1" or nil
      for _, is_there in ipairs { true, false } do
        local _, err = keeper[method](keeper, id)
        if id then raw_rig.assert_error(err, { code = "not_found" }) end
        assert.equal(is_there, keeper.store:get "s1" ~= nil)
        rig.pass(13)
      end
      close()
    end)
  end

  it("removes the tombstone that another machine has left, when it was seen for the time of its owner", function()
    for method, looks in pairs { refresh_due = 3, get = 2, refresh = 2, remove = 2 } do
      start()
      rig.move(keeper, "another machine")
      add "s1"
      local close = begin_refresh "s1"
      assert.is_true(keeper:remove "s1")
      for look = 1, looks do
        keeper[method](keeper, method ~= "refresh_due" and "s1" or nil)
        assert.equal(look < looks, keeper.store:get "s1" ~= nil, method)
        rig.pass(13)
      end
      close()
      keeper:close()
    end
  end)

  it("counts what another process is refreshing", function()
    start()
    add "s1"
    rig.pass(3600 - 30)
    local close = begin_refresh "s1"
    assert.same({ due = 1, refreshed = 0, adopted = 0, failed = 0, elsewhere = 1 }, assert(keeper:refresh_due()))
    close()
  end)

  it("begins no more once the program says so", function()
    start()
    for i = 1, 3 do add("s" .. i) end
    rig.pass(3600 - 30)
    local is_over = false
    keeper.store = rig.spoiled(keeper.store, { put = function(put, ...)
      is_over = true
      return put(...)
    end })
    assert.equal(1, assert(keeper:refresh_due { concurrency = 1, stop_when = function() return is_over end }).refreshed)
    assert.equal(1, server.executions)
  end)

  it("goes on with others while the server keeps one waiting", function()
    server = rig.process()
    keeper, events = rig.keeper(server)
    local request = keeper.exchange.request
    keeper.exchange.request = function(grant)
      local method, url, headers, body = request(grant)
      return method, grant.refresh_token == "slow-0" and url .. "?delay=1" or url, headers, body
    end
    assert(keeper:add("slow", { access_token = "access-0", refresh_token = "slow-0", expires_in = 3000 })) -- due first
    for i = 1, 9 do add("s" .. i) end
    rig.pass(3600 - 30)
    assert.equal(10, assert(keeper:refresh_due { concurrency = 2 }).refreshed)
    assert.equal("slow", events[#events].id)
  end)

  it("keeps no refresh that has ended, however long the round goes on", function()
    start()
    local kept, offer, most = setmetatable({}, { __mode = "k" }), flights.offer, 0
    flights.offer = function(...)
      local flight = offer(...)
      kept[flight] = true
      return flight
    end
    for i = 1, 30 do add("s" .. i) end
    rig.pass(3600 - 30)
    local counts = keeper:refresh_due { concurrency = 2, stop_when = function()
      for _ = 1, 2 do collectgarbage() end
      local count = 0
      for _ in pairs(kept) do count = count + 1 end
      most = math.max(most, count)
    end }
    flights.offer = offer
    assert.equal(30, counts.refreshed)
    assert.is_true(most < 10)
  end)

  it("tells a store that cannot be read", function()
    start { store = rig.spoiled(grid.store.memory(), { due = function() error "disk" end }) }
    local counts, err = keeper:refresh_due()
    assert.is_nil(counts)
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
  end)
end)

describe("refresh_due in plain Lua", function()
  local function start_process(query, given)
    server = rig.process()
    keeper, events = rig.keeper({ url = server.url .. query }, given)
    for i = 1, 12 do
      assert(keeper:add("s" .. i, { access_token = "access-0", refresh_token = ("s%d-0"):format(i), expires_in = 3600 }))
    end
    rig.pass(3600 - 30)
  end

  it("refreshes side by side, so many at once", function()
    local most = 0
    local store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      local count = 0
      for _ in pairs(keeper and keeper.flights or {}) do count = count + 1 end
      most = math.max(most, count)
      return put(...)
    end })
    start_process("?delay=0.2", { store = store })
    local counts = assert(keeper:refresh_due { concurrency = 5 })
    assert.same({ due = 12, refreshed = 12, adopted = 0, failed = 0, elsewhere = 0 }, counts)
    assert.equal(5, most)
    assert.equal("access-1", assert(keeper:get "s7").access_token)
    assert.equal(12, server.stats().executions)
  end)

  it("returns while the store takes no answer, and saves the answers later", function()
    if rawget(_G, "ngx") then return end -- in an event loop its refreshes wait for the store
    local is_down = false
    local store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      if is_down then error "no space left" end
      return put(...)
    end })
    start_process("", { store = store })
    local send = keeper.exchange.read
    keeper.exchange.read = function(...)
      is_down = true
      return send(...)
    end
    local counts = assert(keeper:refresh_due())
    assert.same({ 12, 0 }, { counts.failed, counts.refreshed })
    keeper.exchange.read, is_down = send, false
    assert(keeper:refresh_due())
    assert.equal(server.stats().executions, keeper.counters.refreshed)
    for i = 1, 12 do assert.equal("access-1", assert(keeper:get("s" .. i)).access_token) end
    assert.equal(0, server.stats().reuses)
  end)
end)

describe("a session that is replaced while its refresh is under way", function()
  it("keeps the tokens of the new login, and revokes the others", function()
    start()
    local revoked
    keeper.exchange.revoke = function(tokens)
      revoked = tokens.refresh_token
    end
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      assert(keeper:add("me", { access_token = "mine", refresh_token = "new-0", expires_in = 3600 }, { replace = true }))
      return execute(self, request)
    end
    assert.equal("mine", assert(keeper:refresh "me").access_token)
    assert.equal("refresh-1", revoked)
    assert.equal("mine", assert(keeper:get "me").access_token)
    assert.equal("added added dropped", rig.names(events))
  end)
end)

describe("a refresh token that the server does not replace", function()
  it("is not revoked by the answer to a session that was removed, since another id may have it", function()
    start()
    local revoked = 0
    keeper.exchange.revoke = function() revoked = revoked + 1 end
    for _, member in ipairs { "", ',"refresh_token":""', ',"refresh_token":"refresh-0"' } do
      assert(keeper:add("me", rig.TOKENS))
      server.faults[1] = function()
        assert.is_true(keeper:remove "me")
        assert(keeper:add("renamed", rig.TOKENS, { replace = true }))
        return rig.response(200, ('{"access_token":"access-1","expires_in":3600%s}'):format(member))
      end
      raw_rig.assert_error(select(2, keeper:refresh "me"), { code = "not_found" })
    end
    assert.equal(0, revoked)
    assert.equal(3, keeper.counters.dropped)
  end)
end)

describe("events", function()
  it("tell that a refresh is suspended after an unknown outcome, and resumed", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(3600 - 100)
    server.faults[1] = function() return rig.response(502, "") end
    assert.equal("access-0", assert(keeper:get "me").access_token)
    rig.pass(20)
    assert.equal("access-0", assert(keeper:get "me").access_token) -- held: nothing is sent
    assert.equal(1, #server.raw.requests)
    rig.pass(100)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal("added failed suspended replayed refreshed resumed", rig.names(events))
  end)

  it("tell that a refresh is suspended whose process has died, and no store is read for that again", function()
    start()
    assert(keeper:add("s1", { access_token = "access-0", refresh_token = "s1-0", expires_in = 3600 }))
    rig.pass(3600 - 70)
    local close = begin_refresh "s1"
    rig.pass(13)
    local status = keeper:status "s1"
    assert.same({ false, true }, { status.refreshing, status.suspended })
    keeper.store = rig.spoiled(keeper.store, {})
    for _ = 1, 10 do assert.equal(1, assert(keeper:get "s1").generation) end
    assert.equal("added suspended", rig.names(events))
    assert.is_true(keeper.store.calls.get <= 2)
    rig.pass(60)
    assert.equal(2, assert(keeper:get "s1").generation)
    assert.equal("added suspended replayed refreshed resumed", rig.names(events))
    close()
  end)

  it("have no secret in any field, and their handlers may raise", function()
    local told = {}
    start { on_event = function(event)
      for name, value in pairs(event) do told[#told + 1] = name .. "=" .. tostring(value) end
      error "handler"
    end }
    assert(keeper:add("me", rig.TOKENS))
    assert(keeper:refresh "me")
    server.faults[1] = function() return rig.response(400, '{"error":"invalid_grant","error_description":"refresh-1"}') end
    assert.is_nil(keeper:refresh "me")
    assert(keeper:add("me", rig.TOKENS, { replace = true }))
    assert.is_true(keeper:remove "me")
    local text = table.concat(told, " ")
    assert.is_truthy(text:find("name=dead", 1, true))
    for _, secret in ipairs { "refresh-", "access-", "canary" } do assert.is_nil(text:find(secret, 1, true), text) end
  end)
end)

describe("metrics", function()
  it("count what the keeper did, in Prometheus' text format", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    for _ = 1, 2 do assert(keeper:refresh "me") end
    local text = keeper:metrics()
    for _, line in ipairs {
      "# TYPE grid_keeper_events_total counter", 'grid_keeper_events_total{event="refreshed"} 2',
      'grid_keeper_events_total{event="dead"} 0', 'grid_keeper_sessions{state="fresh"} 1', "grid_keeper_refresh_seconds_count 2",
      "grid_keeper_refreshes_in_flight 0", "grid_keeper_answers_pending 0", "grid_keeper_refresh_due_timestamp_seconds 0",
    } do assert.is_truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line) end
    for line in text:gmatch "[^\n]+" do
      assert.is_truthy(line:find '^# %u+ grid_keeper_[%l_]+ ' or line:find '^grid_keeper_[%l_]+ [%d.]+$'
        or line:find '^grid_keeper_[%l_]+{%l+="%l+"} [%d.]+$', line)
    end
  end)
end)
