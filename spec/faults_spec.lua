-- Each fault of the sandbox, over HTTP/1.1 and over HTTP/2 with TLS: kind and `sent` of
-- the error, within the timeout; the rotated answer can be rescued, nothing leaks, and
-- the client can be used again.

local core = require "grid.core"
local json = require "grid.json"
local rig = require "spec.support.rig"

local SLACK = 20 -- seconds by which a loaded machine may exceed a timeout; the faults last longer

-- title, fault (executed unless it says otherwise), what is expected, and `rescue`: how
-- much of it err.body has.
local FAULTS = {
  { "the connection dropped before execution", { kind = "drop", execute = false }, { kind = "network", sent = "unknown" },
    executions = 0 },
  { "the connection dropped after execution", { kind = "drop" }, { kind = "network", sent = "unknown" } },
  { "the connection reset after execution", { kind = "drop", reset = true }, { kind = "network", sent = "unknown" } },
  { "the stream alone dropped", { kind = "drop", stream = true }, { kind = "network", sent = "unknown" } },
  { "an answer cut off", { kind = "truncate" }, { kind = "network", sent = "yes", status = 200 }, rescue = "part" },
  { "an answer cut off after one byte", { kind = "truncate", bytes = 1 }, { kind = "network", sent = "yes" } },
  { "an answer that is too large", { kind = "huge" }, { kind = "protocol", code = "body_too_large", sent = "yes" } },
  { "an answer nested too deeply", { kind = "deep" }, { kind = "protocol", code = "too_deep", sent = "yes" }, rescue = "whole" },
  { "an answer that is not UTF-8", { kind = "non_utf8" }, { kind = "protocol", code = "bad_utf8", sent = "yes" },
    rescue = "whole" },
  { "an answer with more after its end", { kind = "trailing" }, { kind = "protocol", code = "bad_json", sent = "yes" },
    rescue = "whole" },
  { "an answer without a payload", { kind = "missing_payload" }, { kind = "protocol", code = "bad_answer", sent = "yes" } },
  { "an answer of wrong types", { kind = "wrong_types" }, { kind = "protocol", code = "bad_answer", sent = "yes" },
    rescue = "part" },
  { "HTML with status 200", { kind = "html" }, { kind = "protocol", code = "bad_json", sent = "yes", status = 200 } },
  { "HTML with status 502", { kind = "html", status = 502 }, { kind = "api", code = "http_502", sent = "yes" } },
  { "an empty answer with status 200", { kind = "empty" }, { kind = "protocol", sent = "yes", status = 200 } },
  { "an empty answer with status 204", { kind = "empty", status = 204 }, { kind = "protocol", sent = "yes", status = 204 } },
  { "an empty answer with status 500", { kind = "empty", status = 500 }, { kind = "api", code = "http_500", sent = "yes" } },
  { "headers that are too many", { kind = "headers" },
    { kind = "protocol", code = "headers_too_large", sent = "yes" } },
  { "a redirect", { kind = "redirect" }, { kind = "protocol", code = "redirect", sent = "yes", status = 302 } },
  { "no answer within the timeout", { kind = "delay", delay = 60 }, { kind = "timeout", sent = "unknown" }, executions = 0 },
  { "no answer after execution", { kind = "delay", hold = true }, { kind = "timeout", sent = "unknown" } },
  { "an answer drop by drop", { kind = "slow", bytes = 500, interval = 0.25 }, { kind = "timeout", sent = "yes", status = 200 },
    rescue = "part" },
  { "a payload that is null", { kind = "body", body = '{"data":{"kms_payload":null}}' }, { kind = "protocol", sent = "yes" } },
  { "data that is null", { kind = "body", body = '{"data":null}' }, { kind = "protocol", sent = "yes" } },
  { "data that is a list", { kind = "body", body = '{"data":[]}' }, { kind = "protocol", sent = "yes" } },
  { "an answer that is a list", { kind = "body", body = '[{"data":{}}]' }, { kind = "protocol", sent = "yes" } },
  { "an answer that is null", { kind = "body", body = "null" }, { kind = "protocol", sent = "yes" } },
  { "a payload without a session", { kind = "body", body = '{"data":{"kms_payload":{"provider":"privy"}}}' },
    { kind = "protocol", code = "bad_answer", sent = "yes" } },
  { "a payload of another provider", { kind = "body", body = '{"data":{"kms_payload":{"session":{"Turnkey":{}}}}}' },
    { kind = "protocol", code = "bad_answer", sent = "yes" } },
}

-- Bytes that are no HTTP, or none that can be trusted. HTTP/1.1 only.
local RAW = {
  { "no HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n", { kind = "protocol", sent = "unknown" } },
  { "HTTP/0.9", "<html>hello</html>", { kind = "protocol", sent = "unknown" } },
  { "nothing but the end", "", { kind = "network", sent = "unknown" } },
  { "half a status line", "HTTP/1.1 20", { kind = "network", sent = "unknown" } },
  { "a status line without a number", "HTTP/1.1 abc OK\r\n\r\n", { sent = "unknown" } },
  { "headers without an end", "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n", { kind = "network", sent = "yes" } },
  { "a header line without an end", "HTTP/1.1 200 OK\r\nContent-Le", { kind = "network", sent = "yes" } },
  { "no content, and headers without an end", "HTTP/1.1 204 No Content\r\nX-Requ", { kind = "network", sent = "yes" } },
  { "a line that is no header", "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n{}", { kind = "protocol", sent = "yes" } },
  { "a length below zero", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", { kind = "protocol", sent = "yes" } },
  { "a length beyond all numbers", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n{}", { sent = "yes" } },
  { "two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    { kind = "protocol", code = "bad_http", sent = "yes" } },
  { "a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", { sent = "yes" } },
  { "chunks without an end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    { kind = "network", sent = "yes" } },
  { "a continue and no more", "HTTP/1.1 100 Continue\r\n\r\n", { kind = "network", sent = "unknown" } },
  { "an upgrade", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    { kind = "protocol", code = "bad_http", sent = "unknown" } },
  { "a status of four digits", "HTTP/1.1 5030 No\r\nContent-Length: 2\r\n\r\n{}",
    { kind = "protocol", code = "bad_http", sent = "unknown" } },
  { "a header with a control character", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\n{}",
    { kind = "protocol", code = "bad_http", sent = "yes" } },
  { "a header line of 200 KB", "HTTP/1.1 200 OK\r\nX: " .. ("h"):rep(200000) .. "\r\n\r\n{}", { kind = "protocol" } },
  { "headers without bound", "HTTP/1.1 200 OK\r\n" .. ("X: " .. ("h"):rep(1000) .. "\r\n"):rep(2000), { kind = "protocol" } },
  { "a thousand continues", ("HTTP/1.1 100 Continue\r\n\r\n"):rep(1000), {} },
  { "a body without bound", "HTTP/1.1 200 OK\r\n\r\n" .. ("x"):rep(2 * 1024 * 1024), { kind = "protocol", sent = "yes" } },
}

describe("a fault:", function()
  local server = rig.sandbox()

  -- -> error, and the request's refresh token
  local function meet(client, fault)
    local text, privy = rig.session(server)
    server:fault(fault)
    local start = core.now()
    local res, err = client:refresh_session(rig.request(server, text))
    assert.is_true(core.now() - start < client.options.timeout + SLACK, "it took longer than the timeout")
    assert.is_nil(res)
    return err, privy.refresh_token
  end

  -- The new session of an answer that did not pass, out of its body.
  local function assert_rescued(err, spent, how)
    if not how then return end
    local token = err.body:match '"refresh_token":"(.-)"'
    assert.equal("string", type(token))
    assert.not_equal(spent, token)
    if how == "whole" then
      local payload = err.body:match '"kms_payload":(%b{})'
      local client = rig.client(server)
      local res, problem = client:refresh_session(rig.request(server, payload))
      client:close()
      assert.is_truthy(res, tostring(problem))
    end
  end

  for _, protocol in ipairs { "http", "https" } do
    for _, case in ipairs(FAULTS) do
      local title, given, expected = case[1], case[2], case[3]
      it(title .. (protocol == "http" and ", HTTP/1.1" or ", HTTP/2"), function()
        server:set { tier = "2" }
        local fault = { execute = true }
        for name, value in pairs(given) do fault[name] = value end
        local timeout = expected.kind == "timeout" and 0.6 or 5
        local client = rig.client(server, { base_url = server[protocol], timeout = timeout, connect_timeout = 5 })
        local err, spent = meet(client, fault)
        rig.assert_error(err, expected)
        rig.assert_error(err, { attempts = 1, outcome = "unknown", retryable = false })
        assert.is_nil(tostring(err):find "%c")
        assert.equal(case.executions or 1, server:stats().executions)
        assert_rescued(err, spent, case.rescue)
        if expected.kind ~= "timeout" then -- and the next call is as good as any
          local res, problem = client:refresh_session(rig.request(server))
          assert.is_truthy(res, tostring(problem))
        end
        client:close()
      end)
    end
  end

  for _, case in ipairs(RAW) do
    it(case[1], function()
      local raw = rig.raw_server(case[2])
      local client = rig.client(server, { base_url = raw.url, host = raw.host, timeout = 3 })
      local res, err = client:refresh_session { encryption_public_key = rig.KEY }
      client:close()
      raw.close()
      assert.is_nil(res)
      rig.assert_error(err, case[3])
      rig.assert_error(err, { attempts = 1, outcome = "unknown", retryable = false })
      assert.is_true(err.kind == "protocol" or err.kind == "network", tostring(err))
      assert.is_nil(tostring(err):find "%c")
    end)
  end

  it("an answer in two parts with pauses is no fault", function()
    server:fault { kind = "slow", bytes = 1000, interval = 0.1 }
    local client = rig.client(server)
    assert(client:refresh_session(rig.request(server)))
    client:close()
  end)

  it("an answer just as large as allowed is none, one byte more is one", function()
    local body = '{"data":{"kms_payload":{"session":{"Privy":{"token":"t","session":{"expires_at":1}}}}}}'
    for limit, fine in pairs { [#body] = true, [#body - 1] = false, [1] = false } do
      server:fault { kind = "body", body = body }
      local client = rig.client(server, { max_response_bytes = limit })
      local res, err = client:refresh_session { encryption_public_key = rig.KEY }
      client:close()
      assert.equal(fine, res ~= nil)
      if not fine then
        rig.assert_error(err, { kind = "protocol", code = "body_too_large", sent = "yes" })
        assert.is_true(#err.body <= limit)
      end
    end
  end)

  it("an answer of 64 levels is none, one of 65 is one", function()
    for levels, fine in pairs { [64] = true, [65] = false } do
      server:fault { kind = "body", body = ('{"a":'):rep(levels - 1) .. "{}" .. ("}"):rep(levels - 1) }
      local client = rig.client(server)
      local res, err = client:request("GET", "/deep")
      client:close()
      assert.equal(fine, res ~= nil)
      if not fine then rig.assert_error(err, { kind = "protocol", code = "too_deep" }) end
    end
  end)

  it("answers that lie about names and depth do not break the reader", function()
    local client = rig.client(server)
    for _, body in ipairs {
      '{"data":{"kms_payload":{"session":{"Privy":{"session":[]}}}}}', '{"data":{"kms_payload":[[],[]]}}',
      '{"data":{"kms_payload":{"session":[{"Privy":{}}]}}}', '{"data":{"kms_payload":"text"}}',
      '{"data":7,"data":{"kms_payload":1}}', '{"":{"":{"":""}}}', '{"data":{"kms_payload":{"session":{"Privy":"x"}}}}',
    } do
      server:fault { kind = "body", body = body }
      local res, err = client:refresh_session { encryption_public_key = rig.KEY }
      if res then assert.same(res.data.kms_payload, json.decode(res.kms_payload_json))
      else rig.assert_error(err, { kind = "protocol", code = "bad_answer", sent = "yes", body = body }) end
    end
    client:close()
  end)

  it("one after another, none leaves the client in a worse state", function()
    local client = rig.client(server, { base_url = server.https, timeout = 30 })
    for _ = 1, 3 do
      for _, kind in ipairs { "drop", "truncate", "huge", "deep", "html", "headers", "redirect" } do
        server:fault { kind = kind }
        assert.is_nil((client:refresh_session(rig.request(server))))
        assert(client:refresh_session(rig.request(server)))
      end
    end
    client:close()
  end)
end)
