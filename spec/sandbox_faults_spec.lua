-- The faults of the sandbox for the curl command, over HTTP/1.1 and HTTP/2, and whether
-- the request was executed.

local client = require "spec.sandbox.client"
local json = require "spec.sandbox.json"
local sandbox = require "spec.support.sandbox"

local refresh, payload_of, privy_of, new_payload = client.refresh, client.payload_of, client.privy_of, client.new_payload

describe("a fault of the sandbox", function()
  local server

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  local function token_of(payload) return privy_of(payload).refresh_token end

  -- The answer over HTTP/1.1 and over HTTP/2 to a refresh that meets the fault.
  local function answers(fault)
    local list = {}
    for _, base in ipairs { server.http, server.https } do
      server:fault(fault)
      list[#list + 1] = refresh(server, new_payload(server), { base = base })
    end
    return list
  end

  -- The same, all of status 200 and received whole.
  local function bodies(fault)
    local list = answers(fault)
    for i, answer in ipairs(list) do
      assert.equal(0, answer.exit)
      assert.equal(200, answer.status)
      list[i] = answer.body
    end
    return list
  end

  describe("drops", function()
    it("the connection unread, and nothing is executed", function()
      for _, answer in ipairs(answers { kind = "drop" }) do
        assert.not_equal(0, answer.exit)
        assert.equal(0, answer.status)
      end
      assert.equal(0, server:stats().executions)
      assert.equal(2, server:stats().requests)
    end)

    it("the connection after the execution: the token is spent and its successor lost", function()
      server:set { tier = "2" }
      for _, base in ipairs { server.http, server.https } do
        local payload = new_payload(server)
        server:fault { kind = "drop", execute = true }
        assert.equal(0, refresh(server, payload, { base = base }).status)
        assert.equal(1, server:executions("refresh_token", token_of(payload)))
        assert.equal("refresh_token_reused", client.code_of(refresh(server, payload, { base = base })))
      end
    end)

    it("no more than the stream on HTTP/2 when asked so", function()
      local function exit_of(fault)
        server:fault(fault)
        return refresh(server, new_payload(server), { base = server.https }).exit
      end
      assert.equal(92, exit_of { kind = "drop", stream = true }) -- CURLE_HTTP2_STREAM: the connection lived on
      assert.not_equal(92, exit_of { kind = "drop" })
    end)

    it("by a reset when asked so", function()
      server:fault { kind = "drop", reset = true, execute = true }
      assert.equal(56, refresh(server, new_payload(server)).exit) -- CURLE_RECV_ERROR, where an orderly end gives 52
      server:fault { kind = "drop", execute = true }
      assert.equal(52, refresh(server, new_payload(server)).exit)
    end)
  end)

  describe("sends", function()
    it("fewer bytes than it promised", function()
      server:set { tier = "2" }
      for _, answer in ipairs(answers { kind = "truncate", execute = true, bytes = 700 }) do
        assert.equal(200, answer.status)
        assert.not_equal(0, answer.exit)
        assert.equal(700, #answer.body)
        assert.is_true(tonumber(answer.headers["content-length"]) > 700)
      end
      assert.equal(2, server:stats().tier2)
    end)

    it("huge bodies that are sound JSON", function()
      for _, body in ipairs(bodies { kind = "huge", bytes = 3000000, execute = true }) do
        assert.is_true(#body > 3000000)
        assert.equal("table", type(json.decode(body).data.kms_payload))
      end
    end)

    it("a sound body slowly", function()
      for _, answer in ipairs(answers { kind = "slow", bytes = 200, interval = 0.03 }) do
        assert.equal(200, answer.status)
        assert.is_true(answer.seconds > 0.2)
        assert.equal("table", type(answer.value.data))
      end
    end)

    it("deep JSON", function()
      for _, body in ipairs(bodies { kind = "deep", depth = 100 }) do
        assert.is_truthy(body:find(("["):rep(100) .. ("]"):rep(100), 1, true))
        assert.is_truthy(select(2, json.decode(body)):find "nested too deeply")
      end
    end)

    it("bytes that are no UTF-8", function()
      for _, body in ipairs(bodies { kind = "non_utf8" }) do
        assert.is_truthy(select(2, json.decode(body)):find "invalid UTF%-8")
      end
    end)

    it("trailing bytes", function()
      for _, body in ipairs(bodies { kind = "trailing" }) do
        assert.is_truthy(select(2, json.decode(body)):find "trailing bytes")
      end
    end)

    it("an empty body, and bodies without payload or with wrong types", function()
      for _, body in ipairs(bodies { kind = "empty" }) do assert.equal("", body) end
      for _, body in ipairs(bodies { kind = "missing_payload" }) do assert.same({}, json.decode(body).data) end
      for _, body in ipairs(bodies { kind = "wrong_types", execute = true }) do
        local privy = json.decode(body).data.kms_payload.session.Privy
        assert.equal("soon", privy.session.expires_at)
        assert.is_true(json.is_object(privy.session.wallets))
        assert.equal("string", type(privy.refresh_token))
      end
    end)

    it("answers that are odd but sound", function()
      local function privy_in(kind)
        return json.decode(bodies({ kind = kind, execute = true })[1]).data.kms_payload.session.Privy
      end
      assert.is_nil(privy_in("no_refresh_token").refresh_token)
      assert.equal(json.null, privy_in("no_key").session.encrypted_authorization_key)
      assert.is_true(math.abs(privy_in("expires_in_seconds").session.expires_at - os.time() - 900) < 10)
    end)

    it("HTML, or any body that it is given", function()
      for _, answer in ipairs(answers { kind = "html", status = 502 }) do
        assert.equal(502, answer.status)
        assert.equal("text/html", answer.headers["content-type"])
        assert.is_truthy(answer.body:find "^<!DOCTYPE html>")
      end
      for _, body in ipairs(bodies { kind = "body", body = "hello", content_type = "text/plain" }) do
        assert.equal("hello", body)
      end
    end)

    it("many and long header lines", function()
      for _, answer in ipairs(answers { kind = "headers", headers = 300, header_bytes = 50, execute = true }) do
        assert.equal(("h"):rep(50), answer.headers["x-fault-300"])
        assert.equal("table", type(answer.value.data))
      end
    end)

    it("any status in any shape of error", function()
      for _, status in ipairs { 400, 401, 403, 404, 409, 410, 429, 500, 502, 503 } do
        server:fault { kind = "status", status = status, code = "code_" .. status, shape = "nested" }
        local answer = refresh(server, new_payload(server))
        assert.equal(status, answer.status)
        assert.equal("code_" .. status, answer.value.error.code)
      end
      assert.equal(0, server:stats().executions)
    end)

    it("Retry-After in seconds or as a date", function()
      for _, answer in ipairs(answers { kind = "status", status = 429, retry_after = 7 }) do
        assert.equal("7", answer.headers["retry-after"])
      end
      for _, answer in ipairs(answers { kind = "status", status = 503, retry_after_date = 60 }) do
        assert.is_truthy(answer.headers["retry-after"]:find "^%a%a%a, %d%d %a%a%a %d%d%d%d %d%d:%d%d:%d%d GMT$")
        assert.not_equal(answer.headers.date, answer.headers["retry-after"])
      end
    end)

    it("a redirect that shows whether it was followed", function()
      server:fault { kind = "redirect", status = 307 }
      local answer = refresh(server, new_payload(server), { flags = "-L" })
      assert.equal(404, answer.status)
      assert.equal("/elsewhere", server:last().path)
    end)

    it("the very bytes that it is given, on HTTP/1.1", function()
      server:fault { kind = "raw", raw = "HTTP/1.1 200 Fine\r\nX-Odd:   yes\r\nContent-Length: 4\r\n\r\nrare" }
      local answer = refresh(server, new_payload(server))
      assert.equal("rare", answer.body)
      assert.is_truthy(answer.headers["x-odd"]:find "yes")
    end)
  end)

  it("delays before the execution or after it", function()
    server:fault { kind = "delay", delay = 0.3 }
    assert.is_true(refresh(server, new_payload(server)).seconds >= 0.3)
    assert.equal(1, server:stats().executions)

    for _, case in ipairs { { "delay", 0 }, { "answer_delay", 1 } } do
      server:reset()
      server:fault { kind = "delay", [case[1]] = 0.8 }
      assert.equal(28, refresh(server, new_payload(server), { flags = "--max-time 0.4" }).exit) -- CURLE_OPERATION_TIMEDOUT
      assert.equal(case[2], server:stats().executions)
    end
    os.execute "sleep 0.5" -- what was delayed is still to be executed
  end)

  it("strikes as often as asked, after as many as asked, and in the order set", function()
    server:fault { kind = "status", status = 503, count = 2, skip = 1 }
    server:fault { kind = "status", status = 429 }
    local seen = {}
    for i = 1, 5 do seen[i] = refresh(server, new_payload(server)).status end
    assert.same({ 429, 503, 503, 200, 200 }, seen)
    assert.equal(3, server:stats().faults)

    server:fault { kind = "status", status = 500, count = 0 }
    for _ = 1, 3 do assert.equal(500, refresh(server, new_payload(server)).status) end
    server:control("DELETE", "/faults")
    assert.equal(200, refresh(server, new_payload(server)).status)
  end)

  it("keeps to its path and its session", function()
    local one, other = new_payload(server), new_payload(server)
    server:fault { kind = "status", status = 500, session = token_of(one), count = 0 }
    server:fault { kind = "status", status = 502, path = "/auth", count = 0 }
    assert.equal(500, refresh(server, one).status)
    assert.equal(200, refresh(server, other).status)
    assert.equal(502, client.call(server, "/auth", '{"email":"a@b.c"}').status)
  end)

  it("spoils no answer that is kept for a replay", function()
    server:set { mode = "idempotent", tier = "2" }
    local payload = new_payload(server)
    local options = { headers = { ["x-idempotency-key"] = "kept" } }
    server:fault { kind = "empty", execute = true, retry_after = 3 }
    assert.equal("", refresh(server, payload, options).body)
    local again = refresh(server, payload, options)
    assert.is_nil(again.headers["retry-after"])
    assert.not_equal(token_of(payload), token_of(payload_of(again)))
    assert.equal(1, server:executions("idempotency_key", "kept"))
  end)

  it("is shown while it waits, and refused when it is invalid", function()
    server:fault { kind = "slow", path = "/auth" }
    local waiting = server:control("GET", "/faults")
    assert.equal("slow", waiting[1].kind)
    assert.equal(0.1, waiting[1].interval)
    for _, fault in ipairs {
      {}, { kind = "nothing" }, { kind = "drop", depth = 1 }, { kind = "status" }, { kind = "huge", bytes = "many" },
      { kind = "drop", count = -1 }, { kind = "status", status = 500, shape = "round" }, { kind = "drop", reset = 1 },
    } do
      assert.is_false(pcall(server.fault, server, fault))
    end
    assert.equal(1, #server:control("GET", "/faults"))
  end)

  it("leaves the request readable as it came", function()
    server:fault { kind = "status", status = 500 }
    local payload = new_payload(server)
    refresh(server, payload, { headers = { ["X-Own"] = "seen" } })
    local last = server:last()
    assert.equal(client.request(payload), last.body)
    assert.equal("seen", last.headers["x-own"])
    assert.equal("status", last.fault)
    assert.is_false(last.executed)
    assert.equal(1, #server:control("GET", "/requests"))
  end)
end)
