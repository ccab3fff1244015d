-- How long a call waits before a further try, and what all tries of a call have in
-- common. Time is virtual: the clock of the host belongs to the spec.

local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("a call", function()
  local server = rig.sandbox()
  local patient = rig.patient(server)
  local refresh = patient.refresh

  describe("waits before a further try", function()
    local function waits_of(fault, given)
      server:fault(fault)
      refresh(given)
      return patient.waits
    end

    it("as long as Retry-After says in seconds", function()
      assert.equal(2, #waits_of { kind = "status", status = 429, retry_after = 7, count = 2 })
      for _, seconds in ipairs(patient.waits) do assert.is_true(seconds > 6.5 and seconds <= 7) end
    end)

    it("until the date that Retry-After names", function()
      local date = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 20) -- of the clock that is asked when it comes
      waits_of { kind = "raw", raw = ("HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"):format(date) }
      assert.equal(1, #patient.waits)
      assert.is_true(patient.waits[1] > 17 and patient.waits[1] <= 20)
    end)

    it("else a time that grows, is never the same, and has an end", function()
      waits_of({ kind = "status", status = 503, count = 0 }, { retries = 9, timeout = 1000 })
      assert.equal(9, #patient.waits)
      for i, seconds in ipairs(patient.waits) do
        local longest = math.min(0.2 * 2 ^ (i - 1), 5)
        assert.is_true(seconds > longest / 2 - 0.1 and seconds <= longest, "wait " .. i .. ": " .. seconds)
      end
      assert.is_true(patient.waits[6] ~= patient.waits[7] and patient.waits[7] ~= patient.waits[8])
    end)

    it("but not beyond the timeout: it gives up at once, and says how long it should have waited", function()
      server:fault { kind = "status", status = 429, retry_after = 100, count = 0 }
      local _, err = refresh { timeout = 50 }
      assert_error(err, { kind = "rate_limit", attempts = 1, retryable = true, retry_after = 100 })
      assert.same({}, patient.waits)
    end)

    it("and the timeout bounds all tries and waits together", function()
      server:fault { kind = "status", status = 429, retry_after = 20, count = 0 }
      local _, err = refresh { timeout = 50, retries = 10 }
      assert_error(err, { kind = "rate_limit", attempts = 3 })
      assert.equal(2, #patient.waits)
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
      patient.renew()
      local _, err = refresh()
      server:reset()
      return err, patient.waits
    end

    it("and not at all where Retry-After says 0 or names a time that has passed", function()
      for _, value in ipairs { "0", "0.0", "00", "Sun, 06 Nov 1994 08:49:37 GMT" } do
        local err, waited = err_of(value)
        assert_error(err, { attempts = 3, retryable = true, retry_after = 0 })
        assert.same({}, waited)
      end
    end)

    it("and gives up at once where Retry-After asks for more than any call waits, however many digits that has", function()
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
        assert.matches("; it is unknown whether the request was executed$", tostring(err))
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
    closing = rig.client(server, { host = patient.host, on_event = function(event)
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
    local start = patient.host.now()
    assert(refresh())
    assert.is_true(patient.host.now() - start >= 30)
  end)
end)
