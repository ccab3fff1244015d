-- The client: reuse of connections, closing, collection, client:request, events,
-- interruption.

local core = require "grid.core"
local grid = require "grid"
local rig = require "spec.support.rig"

local assert_error, assert_misuse = rig.assert_error, rig.assert_misuse

describe("a client", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  describe("uses connections again", function()
    for _, protocol in ipairs { "http", "https" } do
      it("for calls one after another: " .. protocol, function()
        local other = rig.client(server, { base_url = server[protocol] })
        for _ = 1, 5 do assert(other:refresh_session(rig.request(server))) end
        other:close()
        assert.equal(1, server:stats().connections)
      end)
    end

    it("of other clients too, that go the same way", function()
      assert(client:refresh_session(rig.request(server)))
      local other = rig.client(server, { api_key = server.api_key, timeout = 3 })
      assert(other:refresh_session(rig.request(server)))
      other:close()
      assert(client:refresh_session(rig.request(server)))
      assert.equal(1, server:stats().connections)
    end)

    it("but not those of a client that trusts otherwise", function()
      local trusting = rig.client(server, { base_url = server.https, ca_file = rig.ABSENT, insecure_skip_tls_verify = true })
      assert(trusting:refresh_session(rig.request(server)))
      local strict = rig.client(server, { base_url = server.https, ca_file = rig.ABSENT })
      local _, err = strict:refresh_session(rig.request(server))
      assert_error(err, { kind = "tls", sent = "no" })
      trusting:close()
      strict:close()
    end)

    it("no longer than the last client that needs them lives", function()
      local other = rig.client(server)
      assert(client:refresh_session(rig.request(server)))
      assert(other:refresh_session(rig.request(server)))
      client:close()
      assert(other:refresh_session(rig.request(server)))
      other:close()
      assert.equal(0, rig.live())
    end)
  end)

  describe("is closed", function()
    it("more than once", function()
      client:close()
      client:close()
      assert.is_truthy(tostring(client):find("closed", 1, true))
    end)

    it("before its first call", function()
      grid.new():close()
    end)

    it("by the collector, connections and all", function()
      local other = rig.client(server)
      assert(other:refresh_session(rig.request(server)))
      assert.is_true(core.live() > 0)
      other = nil -- luacheck: ignore 311
      rig.assert_nothing_left()
    end)

    it("by the end of its block, where Lua has such a thing", function()
      local chunk = load and load [[
        local rig, server = ...
        local client <close> = rig.client(server)
        assert(client:refresh_session(rig.request(server)))
        return client]]
      if chunk then assert.is_truthy(tostring(chunk(rig, server)):find("closed", 1, true)) end
    end)

    it("and says so to who calls it then", function()
      client:close()
      assert_misuse(function() client:refresh_session {} end, "client:refresh_session: the client is closed")
      assert_misuse(function() client:refresh_sessions {} end, "client:refresh_sessions: the client is closed")
      assert_misuse(function() client:init_auth {} end, "client:init_auth: the client is closed")
      assert_misuse(function() client:complete_auth {} end, "client:complete_auth: the client is closed")
      assert_misuse(function() client:request("GET", "/x") end, "client:request: the client is closed")
    end)

    it("with a dot, which is told from a colon", function()
      assert_misuse(function() client.close() end, "client:close: call it with a colon")
    end)
  end)

  describe("asks any other endpoint", function()
    local function answer(body, status)
      server:fault { kind = "body", body = body, status = status }
    end

    it("with each method, its path and its query", function()
      for _, method in ipairs { "GET", "POST", "PUT", "PATCH", "DELETE" } do
        answer '{"data":{"a":1}}'
        assert.equal(1, assert(client:request(method, "/some/thing?admin=true&x=%20")).data.a)
        local last = server:last()
        assert.equal(method, last.method)
        assert.equal("/some/thing", last.path)
        assert.equal("admin=true&x=%20", last.query)
        assert.equal(method ~= "GET" and method ~= "DELETE", last.headers["x-idempotency-key"] ~= nil)
      end
    end)

    it("with HEAD, whose answer has no body", function()
      answer "{}"
      local res = assert(client:request("HEAD", "/x"))
      assert.same({}, res.data)
      assert.equal(200, res.status)
      answer("", 404)
      local _, err = client:request("HEAD", "/x")
      assert_error(err, { kind = "api", status = 404, code = "http_404" })
    end)

    it("with a body that is text, byte for byte", function()
      answer "{}"
      local text = ' { "big" : 12345678901234567890, "list":[ ],\t"x":"\\u00e9é" } '
      assert(client:request("POST", "/x", text))
      assert.equal(text, server:last().body)
      assert.equal("application/json", server:last().headers["content-type"])
    end)

    it("with a body that is a table", function()
      answer "{}"
      assert(client:request("PATCH", "/x", { b = { 1, 2 }, a = grid.null, c = grid.array() }))
      assert.equal('{"a":null,"b":[1,2],"c":[]}', server:last().body)
    end)

    it("and takes what it answers: wrapped, unwrapped, a list, nothing", function()
      answer '{"data":[1,2],"metadata":{"request_id":"r"}}'
      local res = assert(client:request("GET", "/x"))
      assert.same({ 1, 2 }, { res.data[1], res.data[2] })
      assert.equal("r", res.metadata.request_id)
      answer '{"status":"fine"}'
      assert.equal("fine", assert(client:request("GET", "/x")).data.status)
      answer '[{"a":1},{"a":2}]'
      assert.equal(2, assert(client:request("GET", "/x")).data[2].a)
      answer "[]"
      assert.equal("[]", require("grid.json").encode(assert(client:request("GET", "/x")).data))
      answer '{"data":null}'
      assert.equal(grid.null, assert(client:request("GET", "/x")).data)
      answer("", 204)
      assert.same({}, assert(client:request("DELETE", "/x")).data)
      answer('{"data":1}', 201)
      assert.equal(201, assert(client:request("POST", "/x", {})).status)
      assert.is_nil(res.kms_payload_json)
    end)

    it("and refuses a body that is no JSON before anything is sent", function()
      for _, text in ipairs { "", "{", "{} x", '"\255"' } do
        local _, err = client:request("POST", "/x", text)
        assert_error(err, { kind = "request", sent = "no" })
        assert.matches("^the body: ", err.message)
      end
      local _, err = client:request("POST", "/x", { f = print })
      assert_error(err, { kind = "request", code = "bad_value", sent = "no" })
      assert.equal("the body: a function has no JSON form", err.message)
      assert.equal(0, server:stats().requests)
    end)

    it("and raises for methods, paths and bodies that are none", function()
      assert_misuse(function() client:request() end, "client:request", "is missing")
      assert_misuse(function() client:request("GET") end, "'path' is missing")
      for _, method in ipairs { "get", "FETCH", "", "GET /x HTTP/1.1\r\n" } do
        assert_misuse(function() client:request(method, "/x") end, "'method' must be one of GET")
      end
      for _, path in ipairs { "", "x", "http://example.com/", "/a b", "/a\r\nX: y", "/a\0", "/ä", "/a#b" } do
        assert_misuse(function() client:request("GET", path) end,
          "'path' must be a path in ASCII that begins with /, without blanks and fragment")
      end
      for _, body in ipairs { 7, true, print } do
        assert_misuse(function() client:request("POST", "/x", body) end, "'body' must be a string or table")
      end
      assert_misuse(function() client:request("GET", "/x", nil, { timout = 1 }) end, "did you mean 'timeout'?")
      assert.equal(0, server:stats().requests)
    end)

    it("and raises for a path with steps that lead elsewhere, however they are spelled", function()
      for _, path in ipairs {
        "/..", "/.", "/../../../etc", "/a/../b", "/a/./b", "/a/..", "/%2e%2e/a", "/a/.%2E", "/a%2f..%2Fb", "/../a?b=c",
      } do
        assert_misuse(function() client:request("GET", path) end, "client:request: 'path' must be", "without the steps")
      end
      assert.equal(0, server:stats().requests)
    end)

    it("and takes dots for what they are elsewhere", function()
      for _, path in ipairs { "/a..b/.c/d.", "/...", "/a?b=../..&c=/../", "/a?/../b" } do
        answer("{}")
        assert(client:request("GET", path))
        assert.equal(path:match "^[^?]*", server:last().path)
      end
    end)

    it("and cannot be led out of the API by a path", function()
      answer("{}")
      client:request("GET", "//example.com/x")
      answer("{}")
      client:request("GET", "/@example.com:1/x")
      assert.equal(2, server:stats().requests)
    end)
  end)

  it("tells of a connection that is new, and of one that is not", function()
    local events = {}
    local other = rig.client(server, { on_event = function(event) events[#events + 1] = event end })
    for _ = 1, 2 do assert(other:refresh_session(rig.request(server))) end
    other:close()
    assert.equal(4, #events)
    assert.is_true(events[2].connect_seconds > 0)
    assert.equal(0, events[4].connect_seconds)
  end)

  it("may be used inside its own handlers", function()
    local other, inner
    other = rig.client(server, { on_event = function(event)
      if event.name == "response" and not inner then
        inner = true
        inner = other:refresh_session(rig.request(server))
      end
    end })
    local outer = assert(other:refresh_session(rig.request(server)))
    other:close()
    assert.equal(200, inner.status)
    assert.not_equal(inner.idempotency_key, outer.idempotency_key)
  end)

  it("tells when there is no descriptor left, and goes on once there is one", function()
    local output = rig.run(([[
      local grid = require "grid"
      require "grid.api.batch"
      local client = grid.new { base_url = %q, api_key = %q, retries = 0 }
      local request = { encryption_public_key = %q }
      local files, file = {}, nil
      repeat
        file = io.open "/dev/null"
        files[#files + 1] = file
      until not file
      local heard = {}
      local _, err = client:refresh_session(request)
      local results = client:refresh_sessions({ request, request }, { on_result = function(...) heard[#heard + 1] = { ... } end })
      for _, file in ipairs(files) do file:close() end
      collectgarbage()
      local _, later = client:request("POST", "/x", {})
      assert(results[1][2].code == err.code and results[2][2].code == err.code)
      assert(results[1][2].attempts == err.attempts)
      print(err.sent, err.code, err.attempts, #results, #heard, later.status)
      client:close()
    ]]):format(server.http, server.api_key, rig.KEY), nil, "sh -c 'ulimit -n 40; exec \"$0\" \"$@\"' ")
    -- The code is no_descriptor, and no try has begun, where there is epoll.
    assert.matches("^no\t[%l_]+\t[01]\t2\t2\t404\n$", output)
  end)

  it("makes calls inside coroutines", function()
    local res = coroutine.wrap(function() return (client:refresh_session(rig.request(server))) end)()
    assert.equal(200, res.status)
  end)

  -- A hook raises after so many instructions, as an interrupt of the interpreter would.
  it("is none the worse for an error that interrupts it anywhere #slow", function()
    local request = rig.request(server)
    server:set { mode = "grace", grace = 100 }
    if jit then jit.off() end
    local interrupted = 0
    local function interrupt()
      debug.sethook()
      error "interrupted!"
    end
    for count = 50, 4000, 50 do
      local one = rig.client(server)
      local ok, problem = coroutine.resume(coroutine.create(function()
        debug.sethook(interrupt, "", count)
        one:refresh_session(request)
        debug.sethook()
      end))
      if not ok then
        interrupted = interrupted + 1
        assert.is_truthy(tostring(problem):find("interrupted!", 1, true), tostring(problem))
        assert(one:refresh_session(request))
      end
      one:close()
    end
    if jit then jit.on() end
    assert.is_true(interrupted > 5)
  end)

  it("lets go at once when its program is interrupted in the middle of a call", function()
    server:fault { kind = "delay", hold = true }
    local start = core.now()
    local output = rig.run(([[
      local client = require("grid").new { base_url = %q, api_key = %q, timeout = 50 }
      os.execute "(sleep 0.3; kill -INT $PPID) &"
      local ok, problem = pcall(client.request, client, "POST", "/x", {})
      client:close()
      collectgarbage()
      collectgarbage()
      print(ok, problem, require("grid.core").live())
    ]]):format(server.http, server.api_key))
    assert.is_true(core.now() - start < 40)
    assert.is_true(output == "" -- a program that embeds Lua may leave SIGINT as it is, and ends
      or output:find("^false\t.*interrupted!\t0\n$") ~= nil, output)
  end)
end)
