-- The keeper with answers, exchanges and coroutines that misbehave.

local child = require "spec.support.child"
local core = require "grid.core"
local flights = require "grid.keeper.flights"
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

describe("The keeper", function()
  it("refreshes once for a caller, if the new session has expired when it arrives", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(4000)
    local function expired() return rig.response(200, '{"access_token":"a","refresh_token":"refresh-1","expires_in":1e-9}') end
    server.faults = { expired, expired, expired, expired }
    local _, err = keeper:get("me", { timeout = 1 })
    raw_rig.assert_error(err, { kind = "timeout", code = "session_expired", retryable = true })
    assert.equal(1, #server.raw.requests)
  end)

  it("pauses the readers' refreshes of a valid session where the store takes no intent", function()
    local is_full = false
    local store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      if is_full then return nil, "full" end
      return put(...)
    end })
    start { store = store, recheck = 1e9 }
    assert(keeper:add("me", rig.TOKENS))
    is_full = true
    for _, seconds in ipairs { 3500, 2, 60 } do -- twice in the advisory window, and in the mandatory one
      rig.pass(seconds)
      local before = store.calls.put
      for _ = 1, 20 do assert.equal("access-0", assert(keeper:get "me").access_token) end
      assert.equal(before + 1, store.calls.put)
    end
    rig.pass(2)
    is_full = false
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal("added failed failed failed refreshed", rig.names(events))
  end)

  it("refreshes tokens that had expired when they were added", function()
    start()
    local past = os.time() - 100
    for i, tokens in ipairs {
      { expires_at = past }, { expires_at = past, expires_in = 0 }, { expires_at = past, expires_in = 3600 },
      { access_token = ("e30.%s.c2ln"):format(core.base64url_encode(('{"exp":%d}'):format(past))) },
    } do
      tokens.access_token, tokens.refresh_token = tokens.access_token or "old", i .. "-0"
      assert(keeper:add("id" .. i, tokens))
      assert.equal("expired", keeper:status("id" .. i).state)
      assert.equal("access-1", assert(keeper:get("id" .. i)).access_token)
    end
    assert(keeper:add("never", { access_token = "a", refresh_token = "b-0", expires_at = 0 }))
    assert.equal("fresh", keeper:status("never").state)
  end)

  it("counts the life of tokens that are not new from when they end", function()
    start()
    local ends = os.time() + 1000
    for i, tokens in ipairs {
      { expires_at = ends, expires_in = 3600 }, { expires_at = ends }, { expires_at = ends + 5000, expires_in = 1000 },
      { access_token = ("e30.%s.c2ln"):format(core.base64url_encode(('{"exp":%d}'):format(ends))), expires_in = 3600 },
    } do
      tokens.access_token, tokens.refresh_token = tokens.access_token or "old", i .. "-0"
      local session = assert(keeper:add("id" .. i, tokens))
      assert.is_true(math.abs(session.expires_at - ends) <= 1)
    end
  end)

  it("learns the time of the server also from a refusal", function()
    start()
    local exchange, times = rig.exchange(server), {}
    local request = exchange.request
    function exchange.request(grant)
      times[#times + 1] = math.floor((grant.now - os.time()) / 60 + 0.5)
      return request(grant)
    end
    start_again { exchange = exchange }
    assert(keeper:add("me", rig.TOKENS))
    local date = os.date("!Date: %a, %d %b %Y %H:%M:%S GMT\r\n", os.time() + 3600)
    server.faults[1] = function() return rig.response(401, '{"error":"invalid_client"}', date) end
    assert.is_nil((keeper:refresh "me"))
    rig.pass(10)
    assert(keeper:refresh "me")
    assert.same({ 0, 60 }, times)
  end)

  it("refreshes a session of another machine that has ended, although the wall clock was set back since", function()
    start()
    local store = keeper.store
    rig.move(keeper, "another machine")
    assert(keeper:add("me", rig.TOKENS))
    start_again { store = store, recheck = 5000 }
    assert(keeper:get "me")
    rig.pass(3700)
    rig.set_wall(1900)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
  end)

  it("ages a session of another machine by the wall clock, also once that is set", function()
    start()
    local store = keeper.store
    rig.move(keeper, "another machine")
    assert(keeper:add("me", rig.TOKENS))
    rig.set_wall(-7200) -- as after a boot without a clock
    start_again { store = store }
    assert.equal("access-0", assert(keeper:get "me").access_token)
    rig.set_wall(4000)
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("keeps some of the answers that it cannot read, not all of them", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(4000)
    for i = 1, 20 do
      server.faults[1] = function() return rig.response(200, ("<%03d>"):format(i) .. ("x"):rep(1000)) end
      keeper:get("me", { timeout = 0 })
      rig.pass(100)
    end
    assert.equal(20, #server.raw.requests)
    local numbers = {}
    for number in keeper.store:get("me"):gmatch "<(%d+)>" do numbers[#numbers + 1] = tonumber(number) end
    assert.same({ 1, 2, 3, 4, 17, 18, 19, 20 }, numbers)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
  end)

  it("serves the session of the store, if that is of an older generation and its own has expired", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local old = keeper.store:get "me"
    assert(keeper:refresh "me")
    assert(keeper:refresh "me")
    rig.put_back(keeper, "me", old)
    server.current.refresh = 0
    rig.pass(4000)
    assert.equal(2, assert(keeper:get "me").generation)
    assert.equal(3, server.executions)
  end)

  it("refuses to refresh a session that the store had in an older generation, and that has ended since", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local old = keeper.store:get "me"
    assert(keeper:refresh "me")
    rig.put_back(keeper, "me", old)
    for _ = 1, 2 do
      raw_rig.assert_error(select(2, keeper:refresh "me"), { kind = "auth", code = "reauthentication_required" })
    end
    assert.equal("access-1", assert(keeper:get "me").access_token) -- which is valid
  end)

  it("has no session in memory that has ended an hour ago, once it has many", function()
    start()
    local function in_memory()
      local total = 0
      for count in keeper:metrics():gmatch "\ngrid_keeper_sessions{[^}]+} (%d+)" do total = total + tonumber(count) end
      return total
    end
    for i = 1, 1000 do assert(keeper:add("id" .. i, rig.TOKENS)) end
    rig.pass(3600 + 3500)
    assert(keeper:add("id1", rig.TOKENS, { replace = true }))
    rig.pass(200)
    assert.equal(1000, in_memory())
    assert(keeper:add("me", rig.TOKENS))
    assert.equal(2, in_memory())
    assert.equal("access-1", assert(keeper:get "id7").access_token)
    assert.equal(3, in_memory())
  end)

  it("watches no session that another keeper has refreshed an hour ago, once it has seen many", function()
    start()
    local store = keeper.store
    for i = 1, 1001 do assert(keeper:add("id" .. i, rig.TOKENS)) end
    start_again { store = rig.spoiled(store, { put = function(put, ...)
      local rev, err = put(...)
      coroutine.yield()
      return rev, err
    end }) }
    rig.pass(3600 - 30)
    local watching = rig.keeper(server, { store = store })
    local function watched()
      local count = 0
      for _ in pairs(watching.watches) do count = count + 1 end
      return count
    end
    local function begin(id)
      local thread = coroutine.create(function() keeper:refresh(id) end)
      assert(coroutine.resume(thread))
      flights.offer(watching, id, {})
      return function() coroutine.resume(thread) end
    end
    local ends = {}
    for i = 1, 1000 do ends[i] = begin("id" .. i) end
    assert.equal(1000, watched())
    rig.pass(3601)
    ends[1001] = begin "id1001"
    assert.equal(1, watched())
    for _, finish in ipairs(ends) do finish() end
    watching:close()
  end)

  it("shows no secret in its fields", function()
    start { seal_keys = { ("k"):rep(32) } }
    assert(keeper:add("me", rig.TOKENS))
    local store = keeper.store
    keeper.store = rig.spoiled(store, { put = function(call, ...)
      if server.executions == 1 then return nil, "full" end
      return call(...)
    end })
    assert.is_nil((keeper:refresh("me", { timeout = 0 })))
    assert.truthy(keeper.pending.me)
    local seen, found = {}, {}
    local function walk(value, path)
      if type(value) == "string" then
        if value:find(("k"):rep(32), 1, true) or value:find("refresh%-%d") then found[#found + 1] = path end
      elseif type(value) == "table" and not seen[value] then
        seen[value] = true
        for name, item in next, value do
          walk(name, path)
          walk(item, path .. "." .. tostring(name))
        end
      end
    end
    walk(keeper, "keeper")
    assert.same({}, found)
    keeper.store = store
  end)
end)

describe("An exchange of a user", function()
  it("loses no token that it has read as something else than a text", function()
    start()
    local exchange = rig.exchange(server)
    local read = exchange.read
    local many = { access_token = "a" } -- more texts than a record holds
    for i = 1, 1000 do many["text_" .. i] = "t" end
    for _, tokens in ipairs { { access_token = "a", refresh_token = 12345 }, { access_token = true }, {}, many } do
      start_again { exchange = exchange }
      server.current.refresh = 0
      assert(keeper:add("me", rig.TOKENS))
      exchange.read = function() return tokens end
      local _, err = keeper:refresh("me", { timeout = 0 })
      raw_rig.assert_error(err, { kind = "protocol", code = "bad_tokens", outcome = "unknown" })
      exchange.read = read
      rig.pass(4000)
      assert.equal("access-2", assert(keeper:get "me").access_token) -- access-1 has expired since
    end
    assert.same({ 8, 0 }, { server.executions, server.reuses })
  end)

  it("may return a failure whose fields are no texts", function()
    start()
    local exchange = rig.exchange(server)
    start_again { exchange = exchange }
    for i, failure in ipairs { { kind = "reject", code = 7 }, { kind = "refused", code = {} }, { kind = 1 } } do
      exchange.read = function() return nil, failure end
      assert(keeper:add("id" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 }))
      local _, err = keeper:refresh("id" .. i, { timeout = 0 })
      raw_rig.assert_error(err, { kind = "protocol", code = "exchange_failed", outcome = "unknown" })
    end
  end)
end)

describe("A handler of events", function()
  it("is called after a refresh, also with what the refresh has found in the spool", function()
    local folder = child.folder()
    start { spool = folder.path .. "/spool" }
    assert(keeper:add("me", rig.TOKENS))
    local store = keeper.store
    keeper.store = rig.spoiled(store, { put = function(call, ...)
      if server.executions == 1 then return nil, "full" end
      return call(...)
    end })
    assert(keeper:refresh "me")
    local told = {}
    start_again { store = store, spool = folder.path .. "/spool", on_event = function(event)
      told[#told + 1] = event.name .. " " .. rig.refreshes_in_flight(keeper)
    end }
    assert(keeper:refresh "me")
    assert.equal("adopted 0", told[1])
    folder:remove()
  end)
end)

describe("A session", function()
  it("has whole seconds as its times, in each process alike", function()
    start()
    local session = assert(keeper:add("me", rig.TOKENS))
    local times = ("%s %s"):format(session.obtained_at, session.expires_at)
    assert.truthy(times:find "^%d+ %d+$")
    start_again { store = keeper.store }
    session = assert(keeper:get "me")
    assert.equal(times, ("%s %s"):format(session.obtained_at, session.expires_at))
  end)

  it("has whole seconds as its times, and as those of its status, also where the service gives fractions", function()
    start()
    local given = {
      { access_token = "a", refresh_token = "a-0", expires_in = 3600.5 },
      { access_token = "b", refresh_token = "b-0", expires_at = os.time() + 3600.5 },
    }
    for i, tokens in ipairs(given) do
      local session = assert(keeper:add("id" .. i, tokens))
      assert.equal(3600, session.expires_at - session.obtained_at)
      assert.truthy(tostring(session.expires_at):find "^%d+$")
      assert.is_string(os.date("!%H:%M:%S", session.expires_at))
    end
    server.faults[1] = function() return rig.response(503, "") end
    assert.is_nil((keeper:refresh "id1"))
    local status = assert(keeper:status "id1")
    for _, name in ipairs { "expires_at", "refresh_at", "backoff_until" } do
      assert.truthy(tostring(status[name]):find "^%d+$", name)
    end
  end)
end)
