-- Which calls are tried again, and how often, and what the tries of one call have in
-- common. Time is virtual: the clock of the host belongs to the spec.

local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("a call", function()
  local server = rig.sandbox()
  local patient = rig.patient(server)
  local refresh = patient.refresh

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
      assert.equal(2, #patient.waits)
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
        local client = patient.client { timeout = 0.4 }
        local res, err = client:refresh_session(request, { idempotency_key = "the-key" })
        client:close()
        assert.is_nil(res)
        assert_error(err, { sent = "unknown", outcome = "unknown", attempts = 1, retryable = false, idempotency_key = "the-key" })
        assert.equal(1, server:stats().requests)
      end)
    end

    for _, kind in ipairs { "html", "truncate", "missing_payload", "non_utf8", "empty", "trailing", "redirect" } do
      it("after an invalid answer: " .. kind, function()
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
      assert.same({}, patient.waits)
    end)
  end)

  describe("that only reads", function()
    it("is tried again after an unknown outcome too", function()
      server:fault { kind = "drop", path = "/accounts/a", count = 2 }
      server:fault { kind = "body", body = '{"data":{"status":"fine"}}' }
      local client = patient.client()
      local res = assert(client:request("GET", "/accounts/a"))
      client:close()
      assert.equal("fine", res.data.status)
      assert.equal(3, res.attempts)
    end)

    it("whatever answer made it so, but for an invalid one", function()
      for fault, attempts in pairs {
        [{ status = 500 }] = 2, [{ status = 502 }] = 2, [{ status = 504 }] = 2, [{ status = 408 }] = 2,
        [{ status = 404 }] = 1, [{ kind = "redirect" }] = 1, [{ kind = "trailing" }] = 1,
      } do
        server:reset()
        fault.kind = fault.kind or "status"
        server:fault(fault)
        server:fault { kind = "body", body = "{}", count = 0 }
        local client = patient.client()
        local res, err = client:request("GET", "/x")
        client:close()
        assert.equal(attempts, (res or err).attempts)
        assert.equal(attempts, server:stats().requests)
      end
    end)

    it("also if only for the head of it", function()
      server:fault { kind = "drop" }
      server:fault { kind = "body", body = "{}" }
      local client = patient.client()
      assert.equal(2, assert(client:request("HEAD", "/x")).attempts)
      client:close()
    end)

    it("carries no idempotency key, unless one is given", function()
      server:fault { kind = "body", body = "{}", count = 2 }
      local client = patient.client()
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
      local client = patient.client()
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
    local client = patient.client()
    local _, err = client:refresh_session(request)
    assert_error(err, { sent = "unknown" })
    local res = assert(client:refresh_session(request, { idempotency_key = err.idempotency_key }))
    client:close()
    assert.equal(err.idempotency_key, res.idempotency_key)
    assert.equal(1, server:stats().executions)
    assert.equal(1, server:stats().replays)
  end)
end)
