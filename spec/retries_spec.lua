-- Which calls are tried again, when, how often, and what every try of one call has in
-- common. Waits pass at once here: the clock of the host belongs to the spec.

local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("a call", function()
  local server = rig.sandbox()
  local host, waits

  before_each(function() host, waits = rig.virtual_host() end)

  local function patient(given)
    local options = { host = host, retries = 2, timeout = 60 }
    for name, value in pairs(given or {}) do options[name] = value end
    return rig.client(server, options)
  end

  local function refresh(given, options)
    local client = patient(given)
    local res, err = client:refresh_session(rig.request(server), options)
    client:close()
    return res, err
  end

  it("is not tried again with less time left than the last try took: a clear refusal would become an unknown outcome", function()
    server:fault { kind = "status", status = 503, answer_delay = 1, count = 2 }
    local executed = server:stats().executions
    local client = rig.client(server, { timeout = 1.9, retries = 2 })
    local res, err = client:refresh_session(rig.request(server))
    client:close()
    assert.is_nil(res)
    assert_error(err, { kind = "api", status = 503, attempts = 1, sent = "yes" })
    assert.is_true(server:stats().executions <= executed + 1)
  end)

  describe("whose answer breaks off after the status of a refusal", function()
    -- -> result, error, tries
    local CUT_SHORT = "HTTP/1.1 %d No\r\nContent-Length: 50\r\n\r\n{"
    local BAD_CHUNK = "HTTP/1.1 %d No\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\nno chunk\r\n"

    local function meet(status, answer)
      local tries = 0
      local raw = rig.raw_server(function(count)
        tries = count
        if count > 1 then return 'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":{}}' end
        return answer:format(status)
      end)
      local client = rig.client(server, { base_url = raw.url, host = raw.host, retries = 1 })
      local res, err = client:request("POST", "/x", {})
      client:close()
      raw.close()
      return res, err, tries
    end

    it("is tried again where a whole one would be", function()
      for _, status in ipairs { 429, 503 } do
        for _, answer in ipairs { CUT_SHORT, BAD_CHUNK } do
          local res, err, tries = meet(status, answer)
          assert.is_truthy(res, tostring(err))
          assert.equal(2, tries)
        end
      end
    end)

    it("is an error of that status, with what broke off as its cause", function()
      for status, kind in pairs { [401] = "auth", [403] = "auth", [410] = "retired", [500] = "api" } do
        for answer, cause in pairs {
          [CUT_SHORT] = { kind = "network", code = "connection_lost" }, [BAD_CHUNK] = { kind = "protocol", code = "bad_http" },
        } do
          local _, err, tries = meet(status, answer)
          assert_error(err, { kind = kind, code = "http_" .. status, status = status, sent = "yes", retryable = false, body = "{" })
          assert_error(err.cause, cause)
          assert.equal(1, tries)
        end
      end
    end)
  end)

  describe("is tried again", function()
    for _, status in ipairs { 429, 503 } do
      it(("after %d, until it is answered"):format(status), function()
        server:fault { kind = "status", status = status, count = 2 }
        local res = assert(refresh())
        assert.equal(3, res.attempts)
        assert.equal(3, server:stats().requests)
        assert.equal(1, server:stats().executions)
      end)
    end

    it("when the port was closed, since nothing was executed", function()
      local _, err = refresh { base_url = "http://127.0.0.1:1" }
      assert_error(err, { kind = "network", sent = "no", outcome = "none", attempts = 3, retryable = true })
      assert.equal(2, #waits)
    end)

    it("when TLS failed, since nothing was executed", function()
      local _, err = refresh { base_url = server.https, ca_file = rig.ABSENT }
      assert_error(err, { kind = "tls", sent = "no", attempts = 3, retryable = true })
      assert.equal(0, server:stats().requests)
    end)

    it("when no connection came about in time", function()
      local port, close = rig.silent_port()
      local _, err = refresh { base_url = "https://127.0.0.1:" .. port, connect_timeout = 0.05, retries = 1 }
      assert_error(err, { kind = "timeout", sent = "no", attempts = 2 })
      close()
    end)

    it("as often as `retries` says, and no more", function()
      for _, retries in ipairs { 0, 1, 4 } do
        server:reset()
        server:fault { kind = "status", status = 503, count = 0 }
        local _, err = refresh { retries = retries }
        assert_error(err, { kind = "api", status = 503, attempts = retries + 1, retryable = true })
        assert.equal(retries + 1, server:stats().requests)
      end
    end)
  end)

  describe("is not tried again", function()
    for _, status in ipairs { 400, 401, 403, 404, 409, 410, 500, 502, 504 } do
      it("after " .. status, function()
        server:fault { kind = "status", status = status, count = 0 }
        local _, err = refresh()
        assert_error(err, { status = status, attempts = 1, retryable = false, outcome = status < 500 and "final" or "unknown" })
        assert.equal(1, server:stats().requests)
      end)
    end

    it("after 410, not even when it comes with Retry-After", function()
      server:fault { kind = "status", status = 410, retry_after = 1, count = 0 }
      local _, err = refresh()
      assert_error(err, { kind = "retired", attempts = 1, retryable = false, retry_after = 1 })
    end)

    local unknown = {
      ["a connection that broke after execution"] = { kind = "drop", execute = true },
      ["a connection that was reset after execution"] = { kind = "drop", execute = true, reset = true },
      ["a connection that broke before execution, which cannot be told apart"] = { kind = "drop" },
      ["no answer within the timeout"] = { kind = "delay", hold = true },
    }
    for title, fault in pairs(unknown) do
      it("after " .. title, function()
        server:fault(fault)
        local request = rig.request(server)
        local client = patient { timeout = 0.4 }
        local res, err = client:refresh_session(request, { idempotency_key = "the-key" })
        client:close()
        assert.is_nil(res)
        assert_error(err, { sent = "unknown", outcome = "unknown", attempts = 1, retryable = false, idempotency_key = "the-key" })
        assert.equal(1, server:stats().requests)
      end)
    end

    for _, kind in ipairs { "html", "truncate", "missing_payload", "non_utf8", "empty", "trailing", "redirect" } do
      it("after an answer that makes no sense: " .. kind, function()
        server:fault { kind = kind, execute = true, count = 0 }
        local _, err = refresh()
        assert_error(err, { sent = "yes", outcome = "unknown", attempts = 1, retryable = false })
        assert.equal(1, server:stats().requests)
      end)
    end

    it("when it could not be sent as asked", function()
      local _, err = refresh { api_key = "a\nb" }
      assert_error(err, { kind = "request", sent = "no", outcome = "none", attempts = 1, retryable = false })
      _, err = refresh { base_url = "https://localhost:1", proxy = "foo://localhost" } -- libcurl reads it in the transfer
      assert_error(err, { kind = "request", code = "bad_proxy", outcome = "none", attempts = 1, retryable = false })
      assert.same({}, waits)
    end)
  end)

  describe("that only reads", function()
    it("is tried again after an unknown outcome too", function()
      server:fault { kind = "drop", path = "/accounts/a", count = 2 }
      server:fault { kind = "body", body = '{"data":{"status":"fine"}}' }
      local client = patient()
      local res = assert(client:request("GET", "/accounts/a"))
      client:close()
      assert.equal("fine", res.data.status)
      assert.equal(3, res.attempts)
    end)

    it("whatever answer made it so, but for one that makes no sense", function()
      for fault, attempts in pairs {
        [{ status = 500 }] = 2, [{ status = 502 }] = 2, [{ status = 504 }] = 2, [{ status = 408 }] = 2,
        [{ status = 404 }] = 1, [{ kind = "redirect" }] = 1, [{ kind = "trailing" }] = 1,
      } do
        server:reset()
        fault.kind = fault.kind or "status"
        server:fault(fault)
        server:fault { kind = "body", body = "{}", count = 0 }
        local client = patient()
        local res, err = client:request("GET", "/x")
        client:close()
        assert.equal(attempts, (res or err).attempts)
        assert.equal(attempts, server:stats().requests)
      end
    end)

    it("also if only for the head of it", function()
      server:fault { kind = "drop" }
      server:fault { kind = "body", body = "{}" }
      local client = patient()
      assert.equal(2, assert(client:request("HEAD", "/x")).attempts)
      client:close()
    end)

    it("carries no idempotency key, unless one is given", function()
      server:fault { kind = "body", body = "{}", count = 2 }
      local client = patient()
      assert.is_nil(assert(client:request("GET", "/x")).idempotency_key)
      assert.is_nil(server:last().headers["x-idempotency-key"])
      assert.equal("k", assert(client:request("GET", "/x", nil, { idempotency_key = "k" })).idempotency_key)
      assert.equal("k", server:last().headers["x-idempotency-key"])
      client:close()
    end)
  end)

  it("that writes in any other way is not repeated after an unknown outcome", function()
    for _, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
      server:reset()
      server:fault { kind = "drop", count = 0 }
      local client = patient()
      local _, err = client:request(method, "/x", {})
      client:close()
      assert_error(err, { sent = "unknown", attempts = 1, retryable = false })
      assert.equal(1, server:stats().requests)
    end
  end)

  it("sends the same key and the same bytes with every try", function()
    server:fault { kind = "status", status = 503, count = 3 }
    local res = assert(refresh { retries = 3 })
    local tries = server:control("GET", "/requests")
    assert.equal(4, #tries)
    for _, one in ipairs(tries) do
      assert.equal(res.idempotency_key, one.headers["x-idempotency-key"])
      assert.equal(tries[1].body, one.body)
    end
    assert.is_truthy(res.idempotency_key:find(rig.UUID))
    assert.equal(1, server:executions("idempotency_key", res.idempotency_key))
  end)

  it("that came to an unknown end can be repeated by its caller, with the key that the error carries", function()
    server:set { mode = "idempotent", tier = "2" }
    local request = rig.request(server)
    server:fault { kind = "drop", execute = true }
    local client = patient()
    local _, err = client:refresh_session(request)
    assert_error(err, { sent = "unknown" })
    local res = assert(client:refresh_session(request, { idempotency_key = err.idempotency_key }))
    client:close()
    assert.equal(err.idempotency_key, res.idempotency_key)
    assert.equal(1, server:stats().executions)
    assert.equal(1, server:stats().replays)
  end)

  describe("waits before a further try", function()
    local function waits_of(fault, given)
      server:fault(fault)
      refresh(given)
      return waits
    end

    it("as long as Retry-After says in seconds", function()
      assert.equal(2, #waits_of { kind = "status", status = 429, retry_after = 7, count = 2 })
      for _, seconds in ipairs(waits) do assert.is_true(seconds > 6.5 and seconds <= 7) end
    end)

    it("until the date that Retry-After names", function()
      local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 20) -- of the clock that is asked when it comes
      waits_of { kind = "raw", raw = ("HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"):format(date) }
      assert.equal(1, #waits)
      assert.is_true(waits[1] > 17 and waits[1] <= 20)
    end)

    it("else a time that grows, is never the same, and has an end", function()
      waits_of({ kind = "status", status = 503, count = 0 }, { retries = 9, timeout = 1000 })
      assert.equal(9, #waits)
      for i, seconds in ipairs(waits) do
        local longest = math.min(0.2 * 2 ^ (i - 1), 5)
        assert.is_true(seconds > longest / 2 - 0.1 and seconds <= longest, "wait " .. i .. ": " .. seconds)
      end
      assert.is_true(waits[6] ~= waits[7] and waits[7] ~= waits[8])
    end)

    it("but not beyond the timeout: it gives up at once, and says how long it should have waited", function()
      server:fault { kind = "status", status = 429, retry_after = 100, count = 0 }
      local _, err = refresh { timeout = 50 }
      assert_error(err, { kind = "rate_limit", attempts = 1, retryable = true, retry_after = 100 })
      assert.same({}, waits)
    end)

    it("and the timeout bounds all tries and waits together", function()
      server:fault { kind = "status", status = 429, retry_after = 20, count = 0 }
      local _, err = refresh { timeout = 50, retries = 10 }
      assert_error(err, { kind = "rate_limit", attempts = 3 })
      assert.equal(2, #waits)
    end)

    it("and its last try has what is left of the timeout, no more", function()
      server:fault { kind = "status", status = 429, retry_after = 49 }
      server:fault { kind = "delay", hold = true }
      local core = require "grid.core"
      local start = core.now()
      local _, err = refresh { timeout = 50 }
      assert_error(err, { kind = "timeout", sent = "unknown", attempts = 2 })
      assert.is_true(core.now() - start < 40)
    end)

    -- Of a call whose answers all say that: -> error, the waits that it took.
    local function err_of(value)
      local raw = ("HTTP/1.1 503 Busy\r\nConnection: close\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"):format(value)
      server:fault { kind = "raw", raw = raw, count = 0 }
      host, waits = rig.virtual_host()
      local _, err = refresh()
      server:reset()
      return err, waits
    end

    it("and not at all where Retry-After says 0 or names a time that has passed", function()
      for _, value in ipairs { "0", "0.0", "00", "Sun, 06 Nov 1994 08:49:37 GMT" } do
        local err, waited = err_of(value)
        assert_error(err, { attempts = 3, retryable = true, retry_after = 0 })
        assert.same({}, waited)
      end
    end)

    it("and gives up at once where Retry-After asks for more than anybody waits, however many digits that has", function()
      for _, value in ipairs {
        "31536000", "2147483648", "9223372036854775807", "9223372036854775808", "99999999999999999999",
        ("9"):rep(400), "1" .. ("0"):rep(99) .. ".5",
        "Fri, 31 Dec 9999 23:59:59 GMT",
      } do
        local err, waited = err_of(value)
        assert_error(err, { attempts = 1, retryable = true, retry_after = 365 * 24 * 60 * 60 })
        assert.same({}, waited)
        assert.equal("in 31536000 s", ("in %d s"):format(err.retry_after))
        assert.equal("string", type(os.date("!%c", os.time() + err.retry_after)))
      end
    end)

    it("in whole seconds, rounded up", function()
      for value, seconds in pairs { ["1.9"] = 2, ["2.0"] = 2, [" 007 "] = 7, ["7, 9"] = 9, ["7\r\nRetry-After: 9"] = 9 } do
        local err, waited = err_of(value)
        assert_error(err, { attempts = 3, retry_after = seconds })
        assert.equal("in " .. seconds .. " s", ("in %d s"):format(err.retry_after))
        if math.type then assert.equal("integer", math.type(err.retry_after)) end
        assert.equal(2, #waited)
        for _, wait in ipairs(waited) do assert.is_true(wait > seconds - 0.5 and wait <= seconds) end
      end
    end)

    it("and takes a Retry-After that is nonsense for none", function()
      for _, value in ipairs {
        "soon", "-5", "+5", "1e9", "0x10", "7 s", "", "Sun, 32 Nov 2094 08:49:37 GMT",
        "Mon, 06 Nov 2094",
      } do
        local err, waited = err_of(value)
        assert_error(err, { attempts = 3, retryable = true })
        assert.is_nil(err.retry_after)
        assert.equal(2, #waited)
      end
    end)
  end)

  describe("that has taken several tries", function()
    -- Each try gets one answer, or with 0 the end of its connection. The last try, behind
    -- these, cannot connect.
    local function tries(method, ...)
      local answers = { ... }
      local raw = rig.raw_server(function(count)
        local status = answers[count]
        return status == 0 and "" or ("HTTP/1.1 %d x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"):format(status)
      end)
      local client = rig.client(server, { base_url = raw.url, host = raw.host, retries = #answers, on_event = function(event)
        if event.name == "retry" and event.attempt == #answers then raw.refuse() end
      end })
      local _, err = client:request(method, "/accounts/any", method ~= "GET" and "{}" or nil)
      client:close()
      raw.close()
      return err
    end

    it("stays unknown where one of them may have been executed", function()
      for _, first in ipairs { 0, 500, 502, 408 } do
        local err = tries("GET", first)
        assert_error(err, { kind = "network", code = "connect_failed", sent = first == 0 and "unknown" or "yes",
          outcome = "unknown", attempts = 2 })
        assert.matches("; whether it was executed is unknown$", tostring(err))
        while err.cause do err = err.cause end
        assert_error(err, { status = first > 0 and first or nil, outcome = "unknown" })
      end
      assert_error(tries("GET", 0, 503, 503, 429), { outcome = "unknown", sent = "yes", attempts = 5 })
    end)

    it("is refused where the last one was, and its cause tells that an earlier one may have been executed", function()
      local err = tries("GET", 0, 404)
      assert_error(err, { kind = "api", status = 404, outcome = "final", sent = "yes", retryable = false, attempts = 2 })
      assert_error(err.cause, { kind = "network", outcome = "unknown", sent = "unknown" })
      assert.is_nil(tries("GET", 503, 404).cause)
    end)

    it("has executed nothing where none of them has", function()
      assert_error(tries("POST", 503, 429), { kind = "network", sent = "no", outcome = "none", retryable = true, attempts = 3 })
      assert.is_nil(tries("POST", 503).cause)
    end)

    it("is what they came to where the client is closed before the next one", function()
      for status, expected in pairs {
        [0] = { kind = "cancelled", sent = "unknown", outcome = "unknown", attempts = 1 },
        [503] = { kind = "cancelled", sent = "yes", outcome = "none", attempts = 1 },
      } do
        local raw = rig.raw_server(status == 0 and "" or "HTTP/1.1 503 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
        local client
        client = rig.client(server, { base_url = raw.url, host = raw.host, retries = 1, on_event = function(event)
          if event.name == "retry" then client:close() end
        end })
        local _, err = client:request("GET", "/x")
        raw.close()
        assert_error(err, expected)
        assert_error(err.cause, { outcome = expected.outcome })
      end
    end)

    it("is unknown where the last one is", function()
      local err = tries("POST", 503, 0)
      assert_error(err, { kind = "network", sent = "unknown", outcome = "unknown", retryable = false, attempts = 2 })
      assert.is_nil(err.cause)
    end)
  end)

  it("tells of its tries by events", function()
    server:fault { kind = "status", status = 503, retry_after = 3, code = "busy" }
    local events = {}
    local res = assert(refresh { on_event = function(event) events[#events + 1] = event end })
    assert.equal(5, #events)
    for i, name in ipairs { "request", "response", "retry", "request", "response" } do
      local event = events[i]
      assert.equal(name, event.name)
      assert.equal("POST", event.method)
      assert.equal("/auth/refresh-session", event.path)
      assert.equal(i < 4 and 1 or 2, event.attempt)
      assert.equal(res.idempotency_key, event.idempotency_key)
    end
    assert.equal(#server:last().body, events[1].bytes)
    assert.equal(503, events[2].status)
    assert.equal("api", events[2].kind)
    assert.equal("busy", events[2].code)
    assert.equal(3, events[3].delay)
    assert.equal(200, events[5].status)
    assert.is_nil(events[5].kind)
    assert.equal(res.request_id, events[5].request_id)
    assert.equal(tonumber(res.headers["content-length"]), events[5].bytes)
    assert.is_true(events[5].seconds >= 0 and events[5].seconds < 60)
    assert.equal(0, events[5].connect_seconds) -- the connection was there already
  end)

  it("tells of the end of a try that cannot begin, and of one that a close has cut off", function()
    local events
    local function take(event) events[#events + 1] = event end
    events = {}
    local _, err = refresh({ on_event = take }, { cookie = "a\nb" })
    assert.equal("bad_header", err.code)
    assert.equal(2, #events)
    assert.equal("response", events[2].name)
    assert.equal("request", events[2].kind)
    assert.equal("bad_header", events[2].code)
    events = {}
    local closing
    closing = rig.client(server, { host = host, on_event = function(event)
      take(event)
      closing:close()
    end })
    _, err = closing:refresh_session(rig.request(server))
    assert.equal("cancelled", err.kind)
    assert.equal(2, #events)
    assert.equal("cancelled", events[2].kind)
    assert.equal(err.idempotency_key, events[2].idempotency_key)
  end)

  it("does not mind a handler that throws", function()
    server:fault { kind = "status", status = 503 }
    local res = assert(refresh { on_event = function() error "oh" end })
    assert.equal(2, res.attempts)
  end)

  it("has the times of its tries measured by the clock of its host", function()
    server:fault { kind = "status", status = 503, retry_after = 30 }
    local start = host.now()
    assert(refresh())
    assert.is_true(host.now() - start >= 30)
  end)
end)
