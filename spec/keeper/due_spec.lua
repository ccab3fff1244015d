-- What a keeper on plain Lua does for sessions that no caller asks for; its events and
-- metrics; a store that takes no answer.

local child = require "spec.support.child"
local flights = require "grid.keeper.flights"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local records = require "grid.keeper.record"
local rig = require "spec.keeper.keeper_rig"

local server, keeper, events, folder

local function start(given)
  server = rig.server()
  keeper, events = rig.keeper(server, given)
end

before_each(rig.begin)

after_each(function()
  rig.close(keeper, server)
  if folder then folder:remove() end
  keeper, server, events, folder = nil, nil, nil, nil
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

describe("an answer that the store does not take", function()
  local is_down, answers

  -- The store fails from the moment at which the answer goes out.
  local function start_failing(given)
    is_down, answers = false, 0
    local options = { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      if is_down then error "no space left" end
      return put(...)
    end }) }
    for name, value in pairs(given or {}) do options[name] = value end
    start(options)
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      is_down, answers = true, answers + 1
      return execute(self, request)
    end
  end

  it("stays in memory until the store is back, and is given to no caller before", function()
    start_failing()
    local _, err = keeper:refresh("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "store", code = "store_failed" })
    assert.equal("access-0", assert(keeper:get "me").access_token)
    is_down = false
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
    assert.equal("added refreshed", rig.names(events))
  end)

  it("is saved when the folder of the store is back, and served before as one whose store fails", function()
    folder = child.folder()
    local directory, away = folder.path .. "/sessions", folder.path .. "/away"
    start { store = grid.store.file { directory = directory } }
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      assert(os.rename(directory, away))
      return execute(self, request)
    end
    local _, err = keeper:refresh("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "store", code = "folder_gone" })
    rig.pass(6)
    assert.equal("access-0", assert(keeper:get "me").access_token)
    assert(os.rename(away, directory))
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
    assert.equal("added refreshed", rig.names(events))
  end)

  it("is saved by close", function()
    start_failing()
    keeper:refresh("me", { timeout = 0 })
    is_down = false
    local store = keeper.store
    keeper:close()
    keeper = rig.keeper(server, { store = store })
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  for _, keys in ipairs { "plain", "sealed" } do
    it("goes to the spool, " .. keys .. ", and is committed by the next keeper that opens the spool", function()
      folder = child.folder()
      local path = folder.path .. "/spool"
      local seal_keys = keys == "sealed" and { ("k"):rep(32) } or nil
      start_failing { spool = path, seal_keys = seal_keys }
      assert.equal("access-1", assert(keeper:refresh "me").access_token)
      assert.equal("added spooled", rig.names(events))
      local text = child.capture("cat " .. child.quote(path) .. "/*/* 2>/dev/null; true")
      assert.equal(keys == "plain", text:find("refresh-1", 1, true) ~= nil)
      rig.pass(6)
      assert.equal("access-1", assert(keeper:get "me").access_token) -- the store has the one before
      is_down = false
      local other, told = rig.keeper(server, { store = keeper.store, spool = path, seal_keys = seal_keys })
      assert.equal(1, other:status "me".generation)
      other:refresh_due()
      assert.equal("adopted", rig.names(told))
      assert.equal("access-1", assert(other:get "me").access_token)
      other:close()
      assert.same({}, keeper.spool:list(10))
      rig.pass(6)
      assert.equal("access-1", assert(keeper:get "me").access_token)
      assert.same({ 1, 0 }, { server.executions, server.reuses })
    end)
  end

  it("finds a spool that it can use, or the keeper tells once that there is none", function()
    folder = child.folder()
    folder:write("file", "")
    start { spool = folder.path .. "/file/spool" }
    assert(keeper:add("me", rig.TOKENS))
    keeper:refresh_due()
    assert(keeper:refresh "me")
    assert.same({ "added failed refreshed", "store", "spool_not_read" }, { rig.names(events), events[2].kind, events[2].code })
    folder:run "rm file && mkdir file"
    keeper:refresh_due()
    assert.matches("tmp", folder:list "file/spool", 1, true)
    assert.equal("added failed refreshed", rig.names(events))
  end)

  it("is committed with the first refresh of another keeper, of whichever session", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    assert(keeper:refresh "me")
    is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = path })
    assert(other:add("you", { access_token = "access-0", refresh_token = "you-0", expires_in = 3600 }))
    assert(other:refresh "you")
    assert.equal("added adopted refreshed", rig.names(told))
    other:close()
  end)

  it("is looked for in the spool before another process takes the refresh over", function()
    folder = child.folder()
    local path = folder.path .. "/spool"
    start_failing { spool = path }
    local other = rig.keeper(server, { store = keeper.store, spool = path })
    assert.equal("access-0", assert(other:get "me").access_token)
    assert.is_nil(other:refresh("none"))
    other.has_opened_spool = true
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    is_down = false
    rig.pass(4000)
    assert.equal("access-2", assert(other:get "me").access_token)
    assert.same({ 2, 0 }, { server.executions, server.reuses })
    other:close()
  end)

  it("is dropped from memory and spool, if the session was removed meanwhile", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    is_down = false
    assert.is_true(keeper:remove "me")
    keeper:refresh_due()
    assert.equal("added spooled removed dropped", rig.names(events))
    assert.same({}, keeper.spool:list(10))
  end)

  it("is revoked by the keeper that finds it, if the session was removed meanwhile", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    is_down = false
    assert.is_true(keeper:remove "me")
    local revoked, store = 0, rig.spoiled(keeper.store, {})
    store.name = function() end -- no name
    local other, told = rig.keeper(server, { store = store, spool = folder.path .. "/spool" })
    other.exchange.revoke = function() revoked = revoked + 1 end
    other:refresh_due()
    assert.same({ "dropped", 1 }, { rig.names(told), revoked })
    assert.same({}, keeper.spool:list(10))
    assert.is_nil(keeper:get "me")
    other:close()
  end)

  it("is revoked later, if the server does not answer the first revocation of several", function()
    folder = child.folder()
    local port, close = raw_rig.silent_port()
    local path, revocation_url = folder.path .. "/spool", ("http://127.0.0.1:%d/revoke"):format(port)
    start_failing { spool = path }
    for i = 1, 3 do
      is_down = false
      assert(keeper:add("s" .. i, { access_token = "a", refresh_token = i .. "-0", expires_in = 3600 }))
      server.faults[1] = function(self, request, execute)
        is_down = true
        return execute(self, request)
      end
      assert(keeper:refresh("s" .. i))
    end
    is_down = false
    for i = 1, 3 do assert.is_true(keeper:remove("s" .. i)) end
    local exchange = rig.exchange(server, { revocation_url = revocation_url })
    local other, told = rig.keeper(server, { store = keeper.store, spool = path, exchange = exchange, timeout = 0.2 })
    assert(other:refresh "me")
    assert.equal("dropped refreshed", rig.names(told))
    assert.equal(2, #other.spool:list(10))
    exchange.revoke = nil
    other:refresh_due()
    assert.equal("dropped refreshed dropped dropped", rig.names(told))
    assert.same({}, other.spool:list(10))
    other:close()
    close()
  end)

  it("is not revoked, if it brought no new refresh token", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    server.faults[1] = function()
      is_down = true
      return rig.response(200, '{"access_token":"access-1"}')
    end
    assert(keeper:refresh "me")
    is_down = false
    assert.is_true(keeper:remove "me")
    local revoked = 0
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other.exchange.revoke = function() revoked = revoked + 1 end
    other:refresh_due()
    assert.same({ "dropped", 0 }, { rig.names(told), revoked })
    assert.same({}, keeper.spool:list(10))
    other:close()
  end)

  it("goes to the spool also if another keeper has saved another answer to the same token meanwhile", function()
    folder = child.folder()
    server, is_down = rig.server(), false
    local function given(options)
      options.exchange = rig.exchange(server, { reuse = "grace", reuse_seconds = 1000 })
      return options
    end
    local memory = grid.store.memory()
    local store = rig.spoiled(memory, { put = function(put, ...)
      if is_down then error "no space left" end
      local rev, problem = put(...)
      is_down = problem == "conflict"
      return rev, problem
    end })
    keeper, events = rig.keeper(server, given { store = store, spool = folder.path .. "/spool" })
    local other = rig.keeper(server, given { store = memory, spool = folder.path .. "/spool" })
    assert(keeper:add("me", rig.TOKENS))
    local exchange, read = keeper.exchange, keeper.exchange.read
    exchange.read = function(...)
      exchange.read = read
      rig.pass(13)
      assert(other:refresh "me")
      return read(...)
    end
    for i, name in ipairs { "first", "second" } do
      server.faults[i] = function()
        return rig.response(200, ('{"access_token":"%s","refresh_token":"%s-0","expires_in":3600}'):format(name, name))
      end
    end
    assert.equal("second", assert(keeper:refresh "me").access_token)
    assert.equal("added spooled", rig.names(events))
    other:refresh_due()
    local record = assert(records.unpack(memory:get "me", "me"))
    assert.same({ 2, "second-0", 1 }, { record.gen, record.tokens.refresh_token, #record.spares })
    assert.equal("first-0", record.spares[1].tokens.refresh_token)
    other:close()
    is_down = false
  end)

  it("is committed once from a spool that removes nothing, and keeps no refresh from its end", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other.spool = rig.spoiled(other.spool, { remove = function() error "the file system is read-only" end })
    other.spool.prepare = function() return true end
    for _ = 1, 2 do other:refresh_due() end
    server.faults[1] = function() return rig.response(502, "") end
    assert.is_nil(other:refresh "me")
    rig.pass(70)
    assert.equal("access-2", assert(other:refresh "me").access_token)
    assert.equal("adopted failed suspended replayed refreshed resumed", rig.names(told))
    other:close()
  end)

  it("is found behind a thousand others that stay in the spool", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    for i = 1, 1000 do assert(keeper.spool:put(("\0%d"):format(i), nil, "not to be read")) end
    assert(keeper:refresh "me")
    is_down = false
    local other, told = rig.keeper(server, { store = keeper.store, spool = folder.path .. "/spool" })
    other:refresh_due()
    assert.equal("adopted", rig.names(told))
    other:close()
  end)

  it("stays in the spool, until its own keeper comes, if keepers of other stores use that folder", function()
    folder = child.folder()
    start_failing { spool = folder.path .. "/spool" }
    assert(keeper:refresh "me")
    for _, given in ipairs {
      { store = grid.store.file { directory = folder.path .. "/sessions" } },
      { exchange = grid.exchange.oauth2 { token_url = "https://auth.example.org/token", client_id = "app", client_auth = "none" } },
    } do
      given.spool = folder.path .. "/spool"
      local other, told = rig.keeper(server, given)
      assert(other:add("me", rig.TOKENS))
      assert(other:refresh_due())
      assert.equal("added", rig.names(told))
      assert.equal(1, #keeper.spool:list(10))
      other:close()
    end
    is_down = false
    keeper:refresh_due()
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(2, keeper:status "me".generation)
    assert.same({}, keeper.spool:list(10))
  end)
end)

describe("keeper:run", function()
  it("keeps sessions alive until a signal, and ends in order", function()
    folder = child.folder()
    server = rig.process()
    folder:write("run.lua", ([[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = %q, client_id = "app", client_auth = "none" },
        store = grid.store.file { directory = "sessions" },
        on_event = function(event) print(event.name) io.stdout:flush() end,
      }
      assert(keeper:add("me", { access_token = "access-0", refresh_token = "run-0", expires_in = 0.001 }))
      assert(keeper:run { every = 0.1 })
      keeper:close()
      print "over"
    ]]):format(server.url))
    local code, out = folder:run(([[
      %s run.lua >out & pid=$!
      until grep -q refreshed out; do sleep 0.05; done
      kill -TERM $pid
      wait $pid; echo $?
      cat out
    ]]):format("env " .. child.vm))
    assert.equal(0, code)
    assert.equal("0\nadded\nrefreshed\nover\n", out)
  end)

  it("ends when the program says so", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      local rounds = 0
      assert(keeper:run { every = 0.01, stop_when = function() rounds = rounds + 1 return rounds > 5 end })
      keeper:close()
      io.write "over"
    ]]
    assert.same({ "over", true }, { out, is_well })
  end)

  it("ends also when the program says so only once, by any value that counts as true", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      for at = 1, 4 do
        local looks = 0
        local function stop_when()
          looks = looks + 1
          return looks > 20 or looks == at and "yes"
        end
        assert(keeper:run { every = 0.01, stop_when = stop_when } == true)
        io.write(looks, " ")
      end
    ]]
    assert.same({ "1 2 3 4 ", true }, { out, is_well })
  end)

  -- `text` makes the runs; then the process gets TERM. -> does it survive?
  local function survives(text)
    local out, is_well = raw_rig.run([[
      local core, grid = require "grid.core", require "grid"
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = grid.store.memory(),
      }
      local function run() return keeper:run { stop_when = function() return true end } end
    ]] .. text .. [[
      io.write "over"
      io.flush()
      os.execute("kill -TERM " .. core.pid())
      io.write " and survived"
    ]])
    assert.truthy(out:find "^over", out)
    return is_well
  end

  it("leaves signals to the program that it returns to", function()
    assert.is_false(survives "run() run()")
    assert.is_false(survives "pcall(keeper.run, keeper, { stop_when = function() error 'canary' end })")
    assert.is_true(survives "core.catch_signals() run()")
  end)

  it("goes on at once where more is due than a round has room for", function()
    start()
    for i = 1, 150 do
      assert(keeper:add("s" .. i, { access_token = "access-0", refresh_token = ("s%d-0"):format(i), expires_in = 3600 }))
    end
    rig.pass(3600 - 30)
    local looks = 0
    assert(keeper:run { every = 3600, stop_when = function()
      looks = looks + 1
      return looks > 160 -- one for each session, one for each round, and few in a pause
    end })
    assert.equal(150, keeper.counters.refreshed)
  end)

  it("tells once that the store does not say what is due", function()
    local out, is_well = raw_rig.run [[
      local grid = require "grid"
      local store, rounds = grid.store.memory(), 0
      local due = store.due
      function store.due(...) if rounds < 4 or rounds > 6 then error "disk" end return due(...) end
      local keeper = grid.keeper {
        exchange = grid.exchange.oauth2 { token_url = "http://127.0.0.1:1/", client_id = "app", client_auth = "none" },
        store = store,
        on_event = function(event) io.write(event.name, " ", event.kind, " ", event.code, " ", tostring(event.id), ",") end,
      }
      assert(keeper:run { every = 0.001, stop_when = function() rounds = rounds + 1 return rounds > 10 end })
    ]]
    local line = "failed store store_failed nil,"
    assert.same({ line .. line, true }, { out, is_well })
  end)
end)

describe("keeper:start", function()
  it("needs a host that runs coroutines", function()
    start { host = require "grid.host.blocking" }
    local ok, err = keeper:start()
    assert.is_nil(ok)
    raw_rig.assert_error(err, { kind = "request", code = "no_background" })
  end)
end)
