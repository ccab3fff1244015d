-- The keeper on plain Lua: what add, get, refresh, remove, status and list give, against
-- a server in this process.

local clock = require "grid.keeper.clock"
local core = require "grid.core"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local records = require "grid.keeper.record"
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

describe("grid.keeper", function()
  it("takes a login, and gives its session", function()
    start()
    local session = assert(keeper:add("me", rig.TOKENS))
    assert.same({ "me", 1, "access-0", "Bearer" }, { session.id, session.generation, session.access_token, session.token_type })
    assert.equal(3600, session.expires_at - session.obtained_at)
    assert.equal(session, keeper:get "me")
    assert.equal(0, #server.raw.requests)
    assert.equal("added", rig.names(events))
  end)

  it("refuses misuse at the line of the caller", function()
    start()
    raw_rig.assert_misuse(function() grid.keeper { exchnage = 1 } end, "exchnage", "did you mean 'exchange'")
    raw_rig.assert_misuse(function() grid.keeper { exchange = {}, store = grid.store.memory() } end,
      "'exchange' must be an exchange, as grid.exchange.oauth2 makes: its 'request' is no function")
    raw_rig.assert_misuse(function() keeper:get "" end, "1 to 255")
    raw_rig.assert_misuse(function() keeper:get(("x"):rep(256)) end, "1 to 255")
    raw_rig.assert_misuse(function() keeper:get("a", { timeuot = 1 }) end, "did you mean 'timeout'")
    raw_rig.assert_misuse(function() keeper.get({}, "a") end, "with a colon")
    local given = { exchange = keeper.exchange, store = keeper.store, seal_keys = { "x" } }
    raw_rig.assert_misuse(function() grid.keeper(given) end, "32 bytes")
    for _, path in ipairs { "/a/", "//a", "/./a", "/tmp/../a" } do
      given = { exchange = keeper.exchange, store = grid.store.file { directory = "/a" }, spool = path }
      raw_rig.assert_misuse(function() grid.keeper(given) end, "'spool' must be another folder than that of the store")
    end
    keeper:close()
    raw_rig.assert_misuse(function() keeper:get "a" end, "closed")
  end)

  it("says that a request was not sent, where its time is too short", function()
    start()
    local late = 0
    for i = 1, 20 do -- some requests may go out in time
      local hasty = rig.keeper(server, { timeout = 1e-9 * i })
      assert(hasty:add("me", rig.TOKENS))
      local _, err = hasty:refresh "me"
      if err and err.code == "too_late" then
        late = late + 1
        raw_rig.assert_error(err, { kind = "request", outcome = "none" })
        assert.matches("the request was not sent: the timeout had passed before", err.message, 1, true)
      end
      hasty:close()
    end
    assert.is_true(late > 0)
  end)

  it("says what an answer without tokens lacks", function()
    start()
    for body, message in pairs {
      ["<html>"] = "the token endpoint answered with status 200 and no tokens",
      ['{"error":"bad_refresh_token"}'] = "the token endpoint answered with status 200: bad_refresh_token",
    } do
      assert(keeper:add("me", rig.TOKENS, { replace = true }))
      server.faults[1] = function() return rig.response(200, body) end
      local _, err = keeper:refresh "me"
      assert.equal(message, err.message)
    end
  end)

  it("says that a session exists, and replaces it on demand", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local _, err = keeper:add("me", rig.TOKENS)
    raw_rig.assert_error(err, { kind = "store", code = "exists" })
    assert.equal(2, assert(keeper:add("me", rig.TOKENS, { replace = true })).generation)
    _, err = keeper:add("you", "{}")
    raw_rig.assert_error(err, { kind = "request", code = "bad_tokens" })
  end)

  it("says that there is no session", function()
    start()
    for _, method in ipairs { "get", "refresh", "remove", "status" } do
      local value, err = keeper[method](keeper, "none")
      assert.is_nil(value)
      raw_rig.assert_error(err, { kind = "store", code = "not_found" })
    end
  end)

  it("refreshes on demand, whatever the time", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local session = assert(keeper:refresh "me")
    assert.same({ 2, "access-1" }, { session.generation, session.access_token })
    assert.equal(3, assert(keeper:refresh "me").generation)
    assert.equal(2, server.executions)
    assert.equal("added refreshed refreshed", rig.names(events))
  end)

  it("refreshes within the advisory window in line, and serves the old session where that fails", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(3600 - 100)
    server.faults[1] = function() return rig.response(503, "", "Retry-After: 10\r\n") end
    assert.equal("access-0", assert(keeper:get "me").access_token)
    assert.equal("access-0", assert(keeper:get "me").access_token) -- backing off
    assert.equal(1, #server.raw.requests)
    rig.pass(12)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
    assert.equal("added failed refreshed", rig.names(events))
  end)

  it("gives each retryable error a pause, so that no program calls in a loop", function()
    local is_down = false
    start { store = rig.spoiled(grid.store.memory(), { put = function(put, ...)
      if is_down then error "the disk is full" end
      return put(...)
    end }) }
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(4000)
    is_down = true
    for _, timeout in ipairs { 0, 1 } do
      local _, err = keeper:get("me", { timeout = timeout })
      raw_rig.assert_error(err, { code = "session_expired", retryable = true, retry_after = 1 })
    end
  end)

  it("refreshes an expired session, and tells a retryable error where that fails", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(4000)
    server.faults[1] = function() return rig.response(503, "", "Retry-After: 600\r\n") end
    local _, err = keeper:get "me"
    raw_rig.assert_error(err, { kind = "timeout", code = "session_expired", retryable = true })
    assert.equal(503, err.cause.status)
    assert.matches("not refreshed in time: .*status 503.* %(http_503%)", tostring(err))
    assert.is_true(err.retry_after >= 599)
    _, err = keeper:get("me", { timeout = 0 })
    raw_rig.assert_error(err, { kind = "timeout", code = "session_expired" })
    rig.pass(601)
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("lets min_ttl move the mandatory window of one caller", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    assert.equal("access-0", assert(keeper:get("me", { min_ttl = 3000 })).access_token)
    rig.pass(700)
    assert.equal("access-0", assert(keeper:get("me", { min_ttl = 2000 })).access_token)
    assert.equal("access-1", assert(keeper:get("me", { min_ttl = 3000 })).access_token)
    assert.equal("access-2", assert(keeper:get("me", { min_ttl = 1e6 })).access_token)
  end)

  it("refreshes in the mandatory window in a process that has just read the session", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(3600 - 10)
    local fresh = rig.keeper(server, { store = keeper.store })
    assert.equal("access-1", assert(fresh:get "me").access_token)
    fresh:close()
  end)

  it("ends a session that the server refuses, once, and keeps the record", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    server.current.refresh = 7
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "auth", code = "reauthentication_required" })
    assert.same({ "invalid_grant", "final" }, { err.cause.code, err.cause.outcome })
    assert.matches("ended, since the server refused the refresh token %(invalid_grant%): log in again", tostring(err))
    assert.is_nil(err.cause.status) -- 400 or 401: the record does not have it
    for _, method in ipairs { "get", "refresh" } do
      _, err = keeper[method](keeper, "me")
      raw_rig.assert_error(err, { kind = "auth", code = "reauthentication_required", sent = "yes", outcome = "final" })
    end
    local status = keeper:status "me"
    assert.same({ "dead", "invalid_grant" }, { status.state, status.last_error, status.refresh_at })
    assert.equal(1, #server.raw.requests)
    assert.equal("added dead", rig.names(events))
    assert.equal(2, assert(keeper:add("me", rig.TOKENS, { replace = true })).generation)
  end)

  it("adopts what another keeper has refreshed", function()
    start { recheck = 0 }
    local other = rig.keeper(server, { store = keeper.store })
    assert(keeper:add("me", rig.TOKENS))
    assert.equal("access-1", assert(other:refresh "me").access_token)
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
    other:close()
  end)

  it("removes a session", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    assert.same({ "me" }, keeper:list())
    assert.is_true(keeper:remove "me")
    assert.same({}, keeper:list())
    local _, err = keeper:get "me"
    raw_rig.assert_error(err, { code = "not_found" })
  end)

  it("tells the status of a session", function()
    start()
    local session = assert(keeper:add("me", rig.TOKENS))
    local status = assert(keeper:status "me")
    assert.same({ "fresh", 1, false, false, 0 },
      { status.state, status.generation, status.refreshing, status.suspended, status.failures })
    assert.is_true(status.expires_at == session.expires_at and status.refresh_at < status.expires_at)
    assert.equal("none: the records end with the process", status.durability)
    server.faults[1] = function() return rig.response(500, "") end
    assert.is_nil(keeper:refresh "me")
    status = assert(keeper:status "me")
    assert.same({ true, 1, "http_500" }, { status.suspended, status.failures, status.last_error })
  end)

  it("gives in status the expiry that get gives, and no attempt in the past", function()
    start()
    local now = os.time() + 0.5
    clock.wall = function() return math.floor(now) end
    clock.boot = function() return now end
    local session = assert(keeper:add("me", rig.TOKENS))
    for _ = 1, 5 do
      now = now + 0.25
      assert.equal(session.expires_at, assert(keeper:status "me").expires_at)
    end
    server.faults[1] = function() return rig.response(503, "", "Retry-After: 1\r\n") end
    assert.is_nil(keeper:refresh "me")
    now = now + 0.9
    assert.is_true(assert(keeper:status "me").backoff_until > now - 1)
    clock.wall = function() return math.floor(now) + 600 end
    assert.is_true(assert(keeper:status "me").expires_at >= session.expires_at + 599) -- by the clock that was set
  end)

  it("replays at once with the same key, where the server honours it", function()
    server = rig.server()
    keeper, events = rig.keeper(server, {
      exchange = rig.exchange(server, { reuse = "idempotent", idempotency_header = "Idempotency-Key" }),
    })
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      execute(self, request)
      return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{" -- broken off
    end
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.same({ 1, 1, 0 }, { server.executions, server.replays, server.reuses })
    assert.equal("added failed replayed refreshed", rig.names(events))
  end)

  it("sends what is saved raw to no caller, and reads it when the exchange can", function()
    start()
    local inner, is_blind = keeper.exchange.read, true
    keeper.exchange.read = function(answer, grant)
      if is_blind then return nil, { kind = "unknown", code = "unreadable" } end
      return inner(answer, grant)
    end
    assert(keeper:add("me", rig.TOKENS))
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "unreadable" })
    is_blind = false
    rig.pass(2)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.same({ 1, 0 }, { server.executions, server.reuses })
  end)

  it("saves the bytes of an answer that was broken off, and finds the tokens there", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function(self, request, execute)
      return (execute(self, request):gsub("Content%-Length: %d+", "Content-Length: 1000"))
    end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { outcome = "unknown", status = 200 })
    assert.is_nil(err.body)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.same({ 1, 0, 1 }, { server.executions, server.reuses, #server.raw.requests })
  end)

  it("looks now and then only at a refresh of another keeper, in the advisory window", function()
    local store = rig.spoiled(grid.store.memory(), {})
    start { store = store }
    local other = rig.keeper(server, { store = store })
    assert(keeper:add("me", rig.TOKENS))
    rig.pass(3600 - 100)
    server.faults[1] = function(self, request, execute)
      local now = clock.boot()
      local boot, before = clock.boot, nil
      clock.boot = function() return now end
      for i = 1, 10 do
        assert.equal("access-0", assert(other:get "me").access_token)
        if i == 1 then before = store.calls.get end
      end
      assert.equal(before, store.calls.get)
      clock.boot = boot
      return execute(self, request)
    end
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
    other:close()
  end)

  it("refreshes a session that a service has refused once for each generation", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    assert.is_true(keeper:invalidate("me", 1))
    assert.is_true(keeper:invalidate("me", 1))
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.is_true(keeper:invalidate("me", 1))
    assert.is_true(keeper:invalidate("me", 2)) -- too soon
    assert.equal("access-1", assert(keeper:get "me").access_token)
    assert.equal(1, server.executions)
    rig.pass(31)
    assert.is_true(keeper:invalidate("me", 2))
    assert.equal("access-2", assert(keeper:get "me").access_token)
  end)

  it("does not refresh a second time for one generation, if the first refresh has failed", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function() return rig.response(503, "", "Retry-After: 1\r\n") end
    assert.is_true(keeper:invalidate("me", 1))
    assert.equal("access-0", assert(keeper:get "me").access_token)
    rig.pass(40)
    assert.is_true(keeper:invalidate("me", 1))
    assert.equal("access-0", assert(keeper:get "me").access_token)
    assert.equal(1, #server.raw.requests)
  end)

  it("gives no older generation than before, if an older record is put back", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    local old = keeper.store:get "me"
    assert(keeper:refresh "me")
    rig.put_back(keeper, "me", old)
    rig.pass(6)
    assert.equal("access-1", assert(keeper:get "me").access_token)
  end)

  it("keeps records under seal keys", function()
    start { seal_keys = { ("k"):rep(32) } }
    assert(keeper:add("me", rig.TOKENS))
    assert(keeper:refresh "me")
    local blob = keeper.store:get "me"
    assert.is_nil(blob:find("refresh-", 1, true))
    assert.is_nil(blob:find("access-", 1, true))
  end)
end)

describe("the keeper in a forked child", function()
  it("names itself as an owner, and does not wait for what the parent does", function()
    start()
    assert(keeper:add("me", rig.TOKENS))
    keeper.flights.me = { id = "me", pid = core.pid() + 1, waits_until = 0, waiters = {}, has_begun = true, created = core.now() }
    assert.equal("access-1", assert(keeper:refresh("me", { timeout = 1 })).access_token)
    local pid, machine = core.pid, core.machine
    core.pid = function() return -1 end
    core.machine = function() return { pid = "child" } end
    local told = clock.identity "i"
    core.pid, core.machine = pid, machine
    assert.same({ pid = "child", instance = "i" }, told)
    assert.equal(("%d"):format(core.pid()), clock.identity "i".pid)
  end)

  it("does not save a refresh that was in flight", function()
    local pid = core.pid
    start()
    assert(keeper:add("me", rig.TOKENS))
    local read = keeper.exchange.read
    keeper.exchange.read = function(...)
      core.pid = function() return -1 end
      return read(...)
    end
    local _, err = keeper:refresh("me", { timeout = 0 })
    core.pid, keeper.exchange.read = pid, read
    raw_rig.assert_error(err, { code = "refresh_under_way" })
    local record = assert(records.unpack(keeper.store:get "me", "me"))
    assert.same({ 1, true }, { record.gen, record.intent.open })
  end)
end)
