-- grid.http with any HTTP service: requests are sent, and answers returned, unchanged.

local grid = require "grid"
local rig = require "spec.support.rig"

describe("grid.http", function()
  local raw, http
  local server = rig.sandbox(function()
    if http then http:close() end
    if raw then raw.close() end
    http, raw = nil, nil
  end)

  local OK = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

  local function start(answer, options)
    raw = rig.raw_server(answer)
    local all = { base_url = raw.url, host = raw.host, timeout = 5 }
    for name, value in pairs(options or {}) do all[name] = value end
    http = grid.http.new(all)
  end

  local function head_of(request) return request:match "^(.-)\r\n\r\n" end
  local function body_of(request) return request:match "\r\n\r\n(.*)$" end

  -- -> lower-case name to value
  local function headers_of(request)
    local headers = {}
    for name, value in head_of(request):gmatch "\r\n([^:]+): ([^\r]*)" do headers[name:lower()] = value end
    return headers
  end

  it("sends a form, its exact bytes and its headers, and no header of Grid's", function()
    start(OK)
    local body = "grant_type=refresh_token&refresh_token=a%2Bb&x=\0\255"
    local answer = assert(http:send {
      method = "POST", url = "/token?x=1", body = body,
      headers = {
        ["Content-Type"] = "application/x-www-form-urlencoded", Authorization = "Basic YTpi", Accept = "application/json",
      },
    })
    assert.equal(200, answer.status)
    local request = raw.requests[1]
    assert.equal(body, body_of(request))
    assert.equal("POST /token?x=1 HTTP/1.1", request:match "^[^\r]*")
    local headers = headers_of(request)
    local host = raw.url:match "//(.*)$"
    assert.same({
      host = host, ["content-type"] = "application/x-www-form-urlencoded", authorization = "Basic YTpi",
      accept = "application/json", ["user-agent"] = "lua-grid/" .. require "grid.version", ["content-length"] = tostring(#body),
      ["accept-encoding"] = "identity",
    }, headers)
  end)

  it("sends no Content-Type that was not given", function()
    start(OK)
    assert(http:send { method = "POST", url = "/x", body = "text" })
    assert(http:send { method = "GET", url = "/x" })
    assert(http:send { method = "DELETE", url = "/x" })
    for _, request in ipairs(raw.requests) do
      local headers = headers_of(request)
      assert.is_nil(headers["content-type"])
      assert.equal("*/*", headers.accept)
    end
  end)

  it("gives any whole answer as it is", function()
    local answers = {
      [200] = "HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 4\r\n\r\n\0\255{\n",
      [204] = "HTTP/1.1 204 No\r\n\r\n",
      [302] = "HTTP/1.1 302 No\r\nLocation: https://example.com/\r\nContent-Length: 0\r\n\r\n",
      [400] = 'HTTP/1.1 400 No\r\nContent-Length: 25\r\n\r\n{"error":"invalid_grant"}',
      [401] = "HTTP/1.1 401 No\r\nContent-Length: 6\r\n\r\n<html>",
      [500] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    }
    for status, text in pairs(answers) do
      start(text)
      local answer, err = http:send { method = "POST", url = "/x", body = "" }
      assert.is_nil(err)
      assert.equal(status, answer.status)
      assert.equal(text:match "\r\n\r\n(.*)$", answer.body)
      assert.equal(1, answer.attempts)
      assert.equal(1, #raw.requests)
      if status == 200 then
        assert.equal("1, 2", answer.headers["x-a"])
        assert.same({ "a=1", "b=2" }, answer.cookies)
      end
      http:close()
      raw.close()
    end
  end)

  local function counted(statuses)
    return function(count)
      return ("HTTP/1.1 %d X\r\nContent-Length: 1\r\nRetry-After: 0\r\n\r\n%d"):format(statuses[count], count)
    end
  end

  it("tries again after 429 and 503, and gives the last answer", function()
    start(counted { 503, 429, 503, 200 })
    local answer = assert(http:send { method = "POST", url = "/x", body = "" })
    assert.same({ 503, "3", 3, 0 }, { answer.status, answer.body, answer.attempts, answer.retry_after })
    assert.equal(3, #raw.requests)
  end)

  it("makes as many tries as the call says", function()
    start(counted { 503, 503, 503, 503, 200 }, { retries = 1 })
    assert.equal(1, assert(http:send({ method = "POST", url = "/x", body = "" }, { retries = 0 })).attempts)
    local answer = assert(http:send({ method = "POST", url = "/x", body = "" }, { retries = 3 }))
    assert.same({ 200, 4 }, { answer.status, answer.attempts })
  end)

  it("repeats after an unknown outcome what is idempotent, and nothing else", function()
    start(counted { 500, 500, 200, 500, 200 })
    assert.equal(500, assert(http:send { method = "POST", url = "/x", body = "" }).status)
    assert.equal(200, assert(http:send { method = "POST", url = "/x", body = "", idempotent = true }).status)
    assert.equal(500, assert(http:send { method = "GET", url = "/x", idempotent = false }).status)
    assert.equal(200, assert(http:send { method = "GET", url = "/x" }).status)
  end)

  it("tells which answer broke off, and keeps its bytes", function()
    start "HTTP/1.1 200 OK\r\nContent-Length: 50\r\nX-A: 1\r\n\r\npart"
    local answer, err = http:send { method = "POST", url = "/x", body = "" }
    assert.is_nil(answer)
    rig.assert_error(err, {
      kind = "network", code = "connection_lost", status = 200, sent = "yes", outcome = "unknown", body = "part", attempts = 1,
    })
    assert.equal("1", err.headers["x-a"])
  end)

  it("refuses headers that would forge others, and those that libcurl writes", function()
    start(OK)
    local answer, err = http:send { method = "GET", url = "/x", headers = { ["X-A"] = "1\r\nX-B: 2" } }
    assert.is_nil(answer)
    rig.assert_error(err, { kind = "request", code = "bad_header", sent = "no" })
    for _, name in ipairs { "Content-Length", "transfer-encoding", "HOST", "Connection" } do
      rig.assert_misuse(function() http:send { method = "GET", url = "/x", headers = { [name] = "1" } } end, "is set by libcurl")
    end
    for _, name in ipairs { "", "a b", "a:b", "a\r\nb", "a\0" } do
      rig.assert_misuse(function() http:send { method = "GET", url = "/x", headers = { [name] = "1" } } end, "the name of a field")
    end
    rig.assert_misuse(function() http:send { method = "GET", url = "/x", headers = { "X-A: 1" } } end, "the name of a field")
    local view = setmetatable({}, { __index = { ["X-A"] = "1" } }) -- whose fields cannot be enumerated
    rig.assert_misuse(function() http:send { method = "GET", url = "/x", headers = view } end,
      "headers: copy the members into a plain table")
    rig.assert_misuse(function() http:send { method = "GET", url = "/x", headers = { ["X-A"] = 1 } } end,
      "'X-A' must be a string, got number")
    assert.equal(0, #raw.requests)
  end)

  it("refuses URLs that it should not call", function()
    start(OK)
    for _, url in ipairs {
      "http://example.com/", "https://user@example.com/", "https://example.com/#a", "ftp://example.com/", "x", "https:///x",
      "https://example.com/a b", "https://example.com/\n", "http://127.0.0.1.example.com/",
    } do
      for _ = 1, 2 do rig.assert_misuse(function() http:send { method = "GET", url = url } end, "'url' must be") end
    end
    rig.assert_misuse(function() http:send { method = "GET", url = "x" } end, "'url' must be a URL like https://example.com")
    local unbound = grid.http.new()
    rig.assert_misuse(function() unbound:send { method = "GET", url = "/x" } end, "there is no base_url")
    unbound:close()
    assert.equal(0, #raw.requests)
  end)

  it("checks a URL once that is the same in the next call", function()
    start(OK)
    local check = spy.on(require "grid.http.options", "check_url")
    local paths = {}
    for i, path in ipairs { "/a?x=1", "/a?x=1", "/b", "/a?x=1", raw.url .. "/b" } do
      assert(http:send { method = "GET", url = path })
      paths[i] = raw.requests[i]:match "^GET (%S+)"
    end
    assert.spy(check).was.called(4)
    check:revert()
    assert.same({ "/a?x=1", "/a?x=1", "/b", "/a?x=1", "/b" }, paths)
  end)

  it("names misuse", function()
    start(OK)
    rig.assert_misuse(function() http.send({}, {}) end, "call it with a colon")
    rig.assert_misuse(function() http:send { method = "get", url = "/x" } end, "'method' must be one of")
    rig.assert_misuse(function() http:send { method = "GET", url = "/x", bdy = "" } end, "did you mean 'body'?")
    rig.assert_misuse(function() http:send({ method = "GET", url = "/x" }, { timeout = 0 }) end, "'timeout' must be")
    rig.assert_misuse(function() grid.http.new { api_key = "k" } end, "unknown field 'api_key'")
    http:close()
    rig.assert_misuse(function() http:send { method = "GET", url = "/x" } end, "http:send: the HTTP client is closed")
  end)

  it("serves two services of one process beside a Grid client", function()
    start(OK)
    local client = rig.client(server)
    local other = grid.http.new { ca_file = server.ca, timeout = 5 }
    for _ = 1, 2 do
      assert.equal("{}", assert(http:send { method = "POST", url = raw.url .. "/token", body = "a=b" }).body)
      assert(client:refresh_session(rig.request(server)))
      local answer = assert(other:send { method = "POST", url = server.https .. "/api/grid/v1/auth", body = "{}" })
      assert.is_true(answer.status >= 400) -- it has no API key
    end
    assert.is_nil(raw.requests[2]:find("canary", 1, true))
    assert.is_nil(headers_of(raw.requests[2])["x-grid-environment"])
    other:close()
  end)

  it("tells its events, with the path alone", function()
    local events = {}
    start(counted { 503, 200 }, { on_event = function(event) events[#events + 1] = event end })
    assert(http:send { method = "POST", url = "/x?token=canary", body = "canary" })
    local names = {}
    for i, event in ipairs(events) do
      names[i] = event.name
      assert.equal("/x", event.path)
      for _, value in pairs(event) do assert.is_nil(tostring(value):find("canary", 1, true)) end
    end
    assert.same({ "request", "response", "retry", "request", "response" }, names)
    assert.same({ 503, 503, 200 }, { events[2].status, events[3].status, events[5].status })
  end)

  it("shows no secret when it is printed", function()
    http = grid.http.new { proxy = "http://canary:canary@127.0.0.1:1" }
    assert.is_nil(tostring(http):find("canary", 1, true))
  end)

  it("waits as its host does, and ends its calls as cancelled when it is closed", function()
    start(OK)
    raw.host.sleep = function() http:close() end
    local answer, err = http:send { method = "POST", url = "/x", body = "" }
    assert.is_nil(answer)
    rig.assert_error(err, { kind = "cancelled", code = "client_closed" })
  end)
end)

describe("a client's call", function()
  local server = rig.sandbox()

  it("takes headers and retries of its own", function()
    local raw = rig.raw_server(function(count)
      if count == 1 then return "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" end
      return 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":{}}'
    end)
    local client = rig.client(server, { base_url = raw.url, host = raw.host })
    local res, err = client:request("POST", "/x", {}, { retries = 0, headers = { ["X-Trace"] = "1", Accept = "text/plain" } })
    assert.is_nil(res)
    rig.assert_error(err, { status = 503, attempts = 1 })
    assert.is_truthy(raw.requests[1]:find("\r\nX-Trace: 1\r\n", 1, true))
    assert.is_truthy(raw.requests[1]:find("\r\nAccept: text/plain\r\n", 1, true))
    assert.is_nil(raw.requests[1]:find("Accept: application/json", 1, true))
    assert(client:request("POST", "/x", {}))
    for name, option in pairs { Authorization = "api_key", cookie = "cookie", ["X-Idempotency-Key"] = "idempotency_key" } do
      rig.assert_misuse(function() client:request("GET", "/x", nil, { headers = { [name] = "1" } }) end,
        ("is set by the option '%s'"):format(option))
    end
    client:close()
    raw.close()
  end)
end)
