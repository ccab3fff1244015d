-- client:refresh_sessions: many refreshes from one thread of plain Lua, results in order,
-- over few connections.

local grid = require "grid"
local rig = require "spec.support.rig"

local assert_error, assert_misuse = rig.assert_error, rig.assert_misuse

describe("client:refresh_sessions", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  local function requests(count) return rig.requests(server, count) end

  local function user_of(text)
    return text:match '"user_id":"(.-)"'
  end

  it("gives one result for each request, in the order asked, whichever was answered first", function()
    local list = requests(30)
    for i = 1, 30, 7 do -- the first ones are slow
      server:fault { kind = "delay", answer_delay = 0.2, session = list[i].kms_payload:match '"refresh_token":"(.-)"' }
    end
    local results = client:refresh_sessions(list, { concurrency = 10 })
    assert.equal(30, #results)
    for i, result in ipairs(results) do
      local res = assert(result[1])
      assert.is_nil(result[2])
      assert.equal(user_of(list[i].kms_payload), user_of(res.kms_payload_json))
      assert.equal(1, res.attempts)
    end
  end)

  it("gives the error where a request failed, and the results of the others", function()
    local list = requests(6)
    list[2].kms_payload = "no JSON"
    list[4].kms_payload = '{"session":{"Turnkey":{}}}'
    list[5].kms_payload = list[5].kms_payload:gsub('"refresh_token":"', '%0x')
    local results = client:refresh_sessions(list)
    for _, i in ipairs { 1, 3, 6 } do assert.is_truthy(results[i][1]) end
    for _, i in ipairs { 2, 4, 5 } do assert.is_nil(results[i][1]) end
    assert_error(results[2][2], { kind = "request", code = "bad_payload", sent = "no" })
    assert_error(results[4][2], { kind = "request", code = "turnkey_session", sent = "no" })
    assert_error(results[5][2], { kind = "auth", status = 401, sent = "yes" })
    assert.equal(4, server:stats().requests)
  end)

  it("gives each call the timeout, the retries and the headers", function()
    server:fault { kind = "delay", delay = 1, count = 2 }
    for _, result in ipairs(client:refresh_sessions(requests(2), { timeout = 0.2, retries = 0 })) do
      assert_error(result[2], { kind = "timeout" })
    end
    server:fault { kind = "status", status = 503, count = 2 }
    for _, result in ipairs(client:refresh_sessions(requests(2), { retries = 0 })) do
      assert_error(result[2], { kind = "api", status = 503, attempts = 1 })
    end
    assert(client:refresh_sessions(requests(1), { headers = { ["X-Of-Batch"] = "yes" } })[1][1])
    assert.equal("yes", server:last().headers["x-of-batch"])
  end)

  it("takes no option that belongs to one request", function()
    for _, name in ipairs { "idempotency_key", "cookie", "detached" } do
      assert_misuse(function() client:refresh_sessions(requests(1), { [name] = "a" }) end, name)
    end
    local headers = { Cookie = "a" }
    assert_misuse(function() client:refresh_sessions(requests(1), { headers = headers }) end, "is set by the option 'cookie'")
    assert.equal(0, server:stats().requests)
  end)

  it("gives nothing for nothing", function()
    assert.same({}, client:refresh_sessions {})
    assert.same({}, client:refresh_sessions({}, { on_progress = error }))
  end)

  it("makes a key of its own for each call", function()
    local seen = {}
    for _, result in ipairs(client:refresh_sessions(requests(20))) do
      local key = result[1].idempotency_key
      assert.is_nil(seen[key])
      seen[key] = true
    end
  end)

  -- Most requests that were at the server at once: each stays there for `stay` seconds.
  local function most_at_once(stay)
    local most, list = 0, server:control("GET", "/requests")
    for _, one in ipairs(list) do
      local together = 0
      for _, other in ipairs(list) do
        if other.at <= one.at and one.at < other.at + stay then together = together + 1 end
      end
      most = math.max(most, together)
    end
    return most
  end

  for _, protocol in ipairs { "http", "https" } do
    it("never has more calls under way than `concurrency`, and no fewer: " .. protocol, function()
      local list = requests(24)
      server:fault { kind = "delay", delay = 0.15, count = 0 } -- nginx's clock may be some milliseconds late
      local under_way, most = 0, 0
      local other = rig.client(server, {
        base_url = server[protocol],
        on_event = function(event)
          if event.name == "request" then under_way = under_way + 1 end
          if event.name == "response" then under_way = under_way - 1 end
          most = math.max(most, under_way)
        end,
      })
      local results = other:refresh_sessions(list, { concurrency = 8 })
      other:close()
      for _, result in ipairs(results) do assert.is_truthy(result[1], tostring(result[2])) end
      assert.equal(8, most)
      assert.equal(0, under_way)
      assert.is_true(most_at_once(0.1) <= 8)
      assert.is_true(server:stats().connections <= 8)
    end)
  end

  it("makes one call after another with a concurrency of 1, over one connection", function()
    for _, result in ipairs(client:refresh_sessions(requests(5), { concurrency = 1 })) do assert.is_truthy(result[1]) end
    assert.equal(1, server:stats().connections)
  end)

  it("shares one connection over HTTP/2, and does not make calls wait for each other", function()
    if rig.no_http2 then return pending(rig.no_http2) end
    local list = requests(40)
    server:fault { kind = "delay", delay = 0.3, count = 0 }
    local other = rig.client(server, { base_url = server.https })
    local start = require("grid.core").now()
    local results = other:refresh_sessions(list)
    assert.is_true(require("grid.core").now() - start < 3)
    other:close()
    for _, result in ipairs(results) do assert.is_truthy(result[1], tostring(result[2])) end
    assert.equal(1, server:stats().connections)
  end)

  it("reports progress after each call, up to the total", function()
    local list, heard = requests(5), {}
    list[3].kms_payload = "no JSON"
    client:refresh_sessions(list, { on_progress = function(...) heard[#heard + 1] = { ... } end })
    assert.same({ { 1, 5 }, { 2, 5 }, { 3, 5 }, { 4, 5 }, { 5, 5 } }, heard)
  end)

  it("gives each call the whole timeout of the client", function()
    server:fault { kind = "delay", delay = 0.3, count = 0 }
    local other = rig.client(server, { timeout = 1 })
    for _, result in ipairs(other:refresh_sessions(requests(5), { concurrency = 1 })) do
      assert.is_truthy(result[1], tostring(result[2]))
    end
    other:close()
  end)

  it("lets those that wait for a further try not stand in the way of the others", function()
    local list = requests(4)
    server:fault { kind = "status", status = 503, retry_after = 1,
      session = list[1].kms_payload:match '"refresh_token":"(.-)"' }
    local order = {}
    local other = rig.client(server, {
      retries = 1,
      on_event = function(event)
        if event.name == "response" then order[#order + 1] = event.status .. "/" .. event.attempt end
      end,
    })
    local results = other:refresh_sessions(list, { concurrency = 2 })
    other:close()
    for _, result in ipairs(results) do assert.is_truthy(result[1], tostring(result[2])) end
    assert.equal(2, results[1][1].attempts)
    assert.equal("200/2", order[#order])
  end)

  it("says `cancelled` for all that a close in between has kept from being answered", function()
    local list = requests(6)
    local results = client:refresh_sessions(list, {
      concurrency = 1,
      on_progress = function(done)
        if done == 2 then client:close() end
      end,
    })
    assert.is_truthy(results[1][1])
    assert.is_truthy(results[2][1])
    for i = 3, 6 do
      assert.is_nil(results[i][1])
      assert_error(results[i][2], { kind = "cancelled", code = "client_closed", sent = "no", attempts = 0 })
    end
    assert.equal(2, server:stats().requests)
  end)

  it("loses no result to a progress handler that throws", function()
    local results = client:refresh_sessions(requests(5), { on_progress = function() error "oh" end })
    assert.equal(5, #results)
    for _, result in ipairs(results) do assert.is_truthy(result[1]) end
  end)

  it("leaves what it was given as it was", function()
    local list = requests(3)
    for i in ipairs(list) do
      list[i] = setmetatable(list[i], { __newindex = function() error "written to" end })
    end
    setmetatable(list, { __newindex = function() error "written to" end })
    assert.equal(3, #client:refresh_sessions(list))
    assert.equal(3, #list)
  end)

  it("raises for misuse in any request before anything is sent", function()
    local list = requests(3)
    list[3].kms_paylaod = "x"
    assert_misuse(function() client:refresh_sessions(list) end, "client:refresh_sessions: request 3",
      "unknown field 'kms_paylaod', did you mean 'kms_payload'?")
    list[3] = "text"
    assert_misuse(function() client:refresh_sessions(list) end, "request 3", "must be a table, got string")
    list[3] = { kms_payload = "{}" }
    assert_misuse(function() client:refresh_sessions(list) end, "request 3", "'encryption_public_key' is missing")
    assert.equal(0, server:stats().requests)
  end)

  it("sends what it was given, whatever becomes of that while others have their turn", function()
    local list = requests(3)
    local results = client:refresh_sessions(list, { concurrency = 1, on_progress = function(done)
      if done == 1 then list[2].kms_payload, list[3] = 12, nil end
    end })
    for i = 1, 3 do assert.is_truthy(results[i][1]) end
  end)

  it("raises for what is no list, and for wrong options", function()
    local one = requests(1)[1]
    assert_misuse(function() client:refresh_sessions() end, "a list of requests is expected, got nil")
    assert_misuse(function() client:refresh_sessions "text" end, "a list of requests is expected, got string")
    assert_misuse(function() client:refresh_sessions(one) end, "a list of requests is expected")
    local view = setmetatable({}, { __index = { one } }) -- whose length is 0
    assert_misuse(function() client:refresh_sessions(view) end, "requests: copy the members into a plain table")
    for _, value in ipairs { 0, -1, 1.5, "8", 0 / 0, math.huge } do
      assert_misuse(function() client:refresh_sessions({ one }, { concurrency = value }) end, "'concurrency' must be")
    end
    assert_misuse(function() client:refresh_sessions({ one }, { on_progress = "print" }) end, "'on_progress' must be")
    assert_misuse(function() client:refresh_sessions({ one }, { concurency = 1 }) end, "did you mean 'concurrency'?")
    client:close()
    assert_misuse(function() client:refresh_sessions { one } end, "the client is closed")
    assert.equal(0, server:stats().requests)
  end)

  it("says for each that there is no API key", function()
    local other = grid.new { base_url = server.http, api_key = "" }
    for _, result in ipairs(other:refresh_sessions(requests(3))) do
      assert_error(result[2], { kind = "request", code = "no_api_key", sent = "no" })
    end
    other:close()
  end)

  it("carries a thousand calls, and leaves nothing behind #slow", function()
    local other, failed = rig.client(server, { base_url = server.https }), 0
    local list = requests(1000)
    for _, result in ipairs(other:refresh_sessions(list)) do
      if not result[1] then failed = failed + 1 end
    end
    other:close()
    assert.equal(0, failed)
    -- libcurl before 7.88: a connection takes 900 requests (doc/design.md).
    local needed = rig.libcurl < 788 and 2 or 1
    assert.equal(rig.no_http2 and 64 or needed, server:stats().connections)
    assert.equal(1000, server:stats().executions)
  end)
end)
