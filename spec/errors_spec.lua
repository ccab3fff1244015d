-- Errors: the kind for each answer, the fields of an error, and its text.

local core = require "grid.core"
local json = require "grid.json"
local rig = require "spec.support.rig"

local assert_error = rig.assert_error

describe("an error", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  local function answered(...) return rig.answered(server, client, ...) end

  it("is made with what is loaded already: a worker may have lost its files, or the right to read them", function()
    server:fault { kind = "status", status = 401 }
    assert.equal("auth\n", (rig.run(([[
      local client = require("grid").new { base_url = %q, api_key = %q, retries = 0 }
      local searchers = package.searchers or package.loaders
      for i = #searchers, 1, -1 do searchers[i] = nil end
      print(select(2, client:refresh_session { encryption_public_key = "k" }).kind)
      client:close()
    ]]):format(server.http, server.api_key))))
  end)

  describe("has the kind that its status means:", function()
    local kinds = {
      [400] = "api", [401] = "auth", [403] = "auth", [404] = "api", [405] = "api", [409] = "api", [410] = "retired",
      [418] = "api", [422] = "api", [429] = "rate_limit", [499] = "api", [500] = "api", [502] = "api", [503] = "api",
      [504] = "api", [599] = "api", [408] = "api", [425] = "api",
    }
    local outcomes = { [408] = "unknown", [429] = "none", [503] = "none" }
    for status, kind in pairs(kinds) do
      it(status .. " is " .. kind, function()
        for _, body in ipairs { '{"message":"m","details":[{"code":"c","message":"d"}]}', "", "<html>" } do
          local err = answered(status, body)
          assert_error(err, { kind = kind, status = status, sent = "yes", attempts = 1 })
          assert.equal(status == 429 or status == 503, err.retryable)
          assert.equal(outcomes[status] or status < 500 and "final" or "unknown", err.outcome)
        end
      end)
    end

    it("any redirect is protocol, and is not followed", function()
      for _, status in ipairs { 300, 301, 302, 303, 307, 308 } do
        server:reset()
        server:fault { kind = "redirect", status = status }
        local _, err = client:request("POST", "/anything", {})
        assert_error(err, { kind = "protocol", code = "redirect", status = status, sent = "yes", retryable = false })
        assert.equal("unknown", err.outcome)
        assert.equal(1, server:stats().requests)
      end
    end)

    it("304 is protocol too, but no redirect", function()
      server:fault { kind = "status", status = 304 }
      local _, err = client:request("GET", "/anything")
      assert_error(err, { kind = "protocol", code = "bad_status", status = 304, sent = "yes", retryable = false })
    end)

    it("and the status says what became of the call where the answer broke off behind it, or is too large", function()
      for status, outcome in pairs {
        [200] = "unknown", [302] = "unknown", [401] = "final", [429] = "none", [502] = "unknown", [503] = "none",
      } do
        for _, body in ipairs { "Content-Length: 5\r\n\r\nhalf", "Content-Type: text/pl", "\r\n" .. ("x"):rep(2000) } do
          local raw = rig.raw_server(("HTTP/1.1 %d x\r\n%s"):format(status, body))
          local other = rig.client(server, { base_url = raw.url, host = raw.host, max_response_bytes = 1000 })
          local _, err = other:request("POST", "/anything", {})
          other:close()
          raw.close()
          assert_error(err, { status = status, sent = "yes", outcome = outcome, retryable = outcome == "none" })
          if err.kind ~= "protocol" and status >= 400 then
            assert_error(err.cause, { kind = "network", status = status, outcome = outcome })
          end
        end
      end
    end)
  end)

  describe("has as its cause", function()
    it("what the reader said, where an answer is no JSON", function()
      local err = answered(200, "<html>")
      assert_error(err, { kind = "protocol", code = "bad_json", body = "<html>" })
      assert_error(err.cause, { kind = "protocol", code = "bad_json", sent = "yes", status = 200, outcome = "unknown" })
      assert.is_truthy(err.message:find(err.cause.message, 1, true))
    end)

    it("the error of the last try, where the client was closed before the next one", function()
      for last, attempt in pairs { retry = 1, request = 2 } do
        local other
        server:fault { kind = "status", status = 503 }
        other = rig.client(server, { retries = 1, on_event = function(event)
          if event.name == last and event.attempt == attempt then other:close() end
        end })
        local res, err = other:request("POST", "/anything", {})
        assert.is_nil(res)
        assert_error(err, { kind = "cancelled", code = "client_closed", sent = "yes", outcome = "none", attempts = attempt })
        assert_error(err.cause, { kind = "api", status = 503 })
      end
    end)

    it("nothing, where there is nothing below", function()
      assert.is_nil(answered(500, "").cause)
      assert.is_nil(answered(200, "7").cause)
    end)
  end)

  describe("reads from the answer", function()
    it("the flat form: message, the first detail's code, the details, the request id", function()
      local err = answered(422, [[{"message":"Validation failed","request_id":"r-1","timestamp":"t",
        "details":[{"field":"email","code":"required","message":"m","suggestion":"s"},{"code":"other"}]}]])
      assert_error(err, { code = "required", message = "Validation failed", status = 422 })
      assert.equal("email", err.details[1].field)
      assert.equal("other", err.details[2].code)
    end)

    it("the nested form: error.code before any detail's", function()
      local err = answered(409, '{"error":{"code":"conflict","message":"Try later","details":[{"code":"x"}]}}')
      assert_error(err, { code = "conflict", message = "Try later" })
      assert.equal("x", err.details[1].code)
    end)

    it("the upstream form, whose error is a text", function()
      assert_error(answered(502, '{"error":"upstream is away"}'), { message = "upstream is away", code = "http_502" })
    end)

    it("plain text, HTML or nothing: a code and a message of our own", function()
      for _, body in ipairs { "", "Bad Gateway", "<html><body>oops</body></html>", "null", "[]", "7", '"text"', "{}", "{\\" } do
        local err = answered(502, body)
        assert_error(err, { kind = "api", code = "http_502" })
        assert.is_truthy(err.message:find("502", 1, true))
        assert.equal(body, err.body)
      end
    end)

    it("nothing that is of another type than it should be", function()
      for _, body in ipairs {
        '{"error":{"code":7,"message":{}}}', '{"message":[],"details":{"0":1}}', '{"details":"text"}', '{"error":null}',
        '{"details":[null,1]}', '{"message":"","code":""}', '{"request_id":7,"metadata":"text"}', '{"metadata":[]}',
      } do
        local err = answered(400, body)
        assert_error(err, { kind = "api", code = "http_400" })
        assert.equal("string", type(err.message))
        assert.is_true(err.details == nil or type(err.details) == "table")
        assert.equal(err.headers["x-request-id"], err.request_id)
      end
    end)

    it("a message and a code without the blanks at their ends", function()
      for _, text in ipairs { "a b", " a b", "a b ", " a b\\n", "\\ta b" } do
        local err = answered(400, ('{"code":"%s","message":"%s"}'):format(text, text))
        assert.same({ "a b", "a b" }, { err.code, err.message })
      end
    end)

    it("the request id: the header's, else the body's", function()
      assert.equal(36, #answered(400, "{}").request_id)
      local raw = rig.raw_server(function(count)
        local body = count == 1 and '{"metadata":{"request_id":"r-1"}}' or '{"request_id":"r-2"}'
        return ("HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
      end)
      local other = rig.client(server, { base_url = raw.url, host = raw.host })
      local _, one = other:request("GET", "/x")
      local _, two = other:request("GET", "/x")
      assert.equal("r-1", one.request_id)
      assert.equal("r-2", two.request_id)
      other:close()
      raw.close()
    end)

    it("the headers, lower-case, and Retry-After in seconds", function()
      server:fault { kind = "status", status = 500, retry_after = 7 }
      local _, err = client:request("POST", "/anything", {})
      assert.equal("application/json", err.headers["content-type"])
      assert.equal("7", err.headers["retry-after"])
      assert.equal(7, err.retry_after)
      server:fault { kind = "status", status = 500, retry_after_date = 100 }
      _, err = client:request("POST", "/anything", {})
      assert.is_true(err.retry_after > 90 and err.retry_after <= 101)
    end)
  end)

  describe("prints as one line", function()
    it("with kind, status, code, message and request id", function()
      local err = answered(409, '{"error":{"code":"conflict","message":"Try later"}}')
      assert.equal("grid: api error, status 409 (conflict): Try later [request " .. err.request_id .. "]", tostring(err))
    end)

    it("that says so when it is unknown whether the request was executed", function()
      server:fault { kind = "drop", execute = true }
      local _, err = client:request("POST", "/anything", {})
      assert.equal("unknown", err.outcome)
      assert.matches("; it is unknown whether the request was executed$", tostring(err))
      assert.equal("grid: api error, status 500 (http_500): the service answered with status 500; "
        .. "it is unknown whether the request was executed", (tostring(answered(500, "")):gsub(" %[request .*", "")))
      for _, status in ipairs { 400, 401, 410, 429, 503 } do
        assert.is_nil(tostring(answered(status, "")):find("unknown", 1, true), status)
      end
    end)

    it("whatever control characters the service puts into it", function()
      for _, body in ipairs {
        [[{"message":"a\nb\r\nc\u0000d\u001b[31m"}]], [[{"error":{"code":"a\nb","message":"c"}}]],
        [[{"message":"m","request_id":"r\nr"}]], [[{"error":"a\u007fb"}]],
        [[{"message":"a\u0085b\u009b31mc","error":{"code":"a\u009b"},"request_id":"r\u009d0;title"}]],
        [[{"message":"a\u2028b\u2029c"}]],
      } do
        local raw = rig.raw_server(("HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
        local other = rig.client(server, { base_url = raw.url, host = raw.host })
        local _, err = other:request("GET", "/x")
        assert.is_nil(tostring(err):find "%c", body)
        assert.is_nil(err.message:find "%c", body)
        assert.equal(tostring(err), core.visible(tostring(err)))
        other:close()
        raw.close()
      end
    end)

    it("without what is not seen or changes the order of reading, and so are all its texts", function()
      local unseen = "\\u202e\\u2066\\u200b\\ufeff\\u200f\\u00ad\\udb40\\udc41"
      local body = ([=[{"error":{"code":"c%so","message":"m%se","details":[{"field":"f%s","code":"%s"},["%s\u009bx"]]},
        "request_id":"i%sd"}]=]):gsub("%%s", unseen)
      local raw = rig.raw_server(("HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      local events = {}
      local other = rig.client(server, { base_url = raw.url, host = raw.host, on_event = function(event)
        events[#events + 1] = event
      end })
      local _, err = other:request("GET", "/x")
      other:close()
      raw.close()
      assert.equal("grid: api error, status 400 (co): me [request id]", tostring(err))
      assert.same({ "co", "me", "id" }, { err.code, err.message, err.request_id })
      assert.same({ { field = "f", code = "" }, { " x" } }, err.details)
      assert.same({ "co", "id" }, { events[2].code, events[2].request_id })
    end)

    it("whose parts that are not seen at all are as if they were not said", function()
      local body = [[{"error":{"code":"\u200b","message":" \u202e\n"},"code":"seen","message":"said","request_id":"\ufeff"}]]
      local raw = rig.raw_server(("HTTP/1.1 400 Bad\r\nX-Request-Id: \226\128\139\r\nContent-Length: %d\r\n\r\n%s")
        :format(#body, body))
      local other = rig.client(server, { base_url = raw.url, host = raw.host })
      local _, err = other:request("GET", "/x")
      other:close()
      raw.close()
      assert.equal("grid: api error, status 400 (seen): said", tostring(err))
    end)

    it("of valid UTF-8, whatever bytes the service sends in its headers", function()
      for bytes, shown in pairs {
        ["\255"] = "\239\191\189", ["caf\195\169"] = "caf\195\169", ["a\194\155b"] = "a b", ["a\155b"] = "a\239\191\189b",
      } do
        local answer = "HTTP/1.1 %d x\r\nX-Request-Id: %s\r\nContent-Length: 11\r\n\r\n" .. [[{"data":{}}]]
        for _, status in ipairs { 200, 400 } do
          local raw = rig.raw_server(answer:format(status, bytes))
          local other = rig.client(server, { base_url = raw.url, host = raw.host })
          local res, err = other:request("GET", "/x")
          other:close()
          raw.close()
          assert.equal(shown, (res or err).request_id)
          assert.truthy(tostring(res or err):find(shown, 1, true))
        end
      end
    end)

    it("of bounded length, however much the service says", function()
      local long = ("word "):rep(100000)
      local body = json.encode { message = long, error = { code = long }, request_id = long }
      local raw = rig.raw_server(("HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      local other = rig.client(server, { base_url = raw.url, host = raw.host, max_response_bytes = 4 * 1024 * 1024 })
      local _, err = other:request("GET", "/x")
      assert.equal(400, err.status)
      assert.is_true(#tostring(err) < 1200)
      other:close()
      raw.close()
    end)

    it("also behind or before another text, and beside nothing else", function()
      local err = answered(500, "")
      assert.equal("x: " .. tostring(err), "x: " .. err)
      assert.equal(tostring(err) .. "!", err .. "!")
      assert.equal("1" .. tostring(err), 1 .. err)
      assert.equal(tostring(err) .. tostring(err), err .. err)
    end)
  end)

  it("shows its body to who asks for it, and to no loop over its fields", function()
    local err = answered(500, "the body")
    assert.equal("the body", err.body)
    for name, value in pairs(err) do
      assert.not_equal("body", name)
      assert.not_equal("the body", value)
    end
    assert.is_nil(rawget(err, "body"))
    assert.is_nil(err.no_such_field)
  end)

  it("holds the fields that are documented, and no others", function()
    local known = {
      kind = "string", code = "string", message = "string", status = "number", request_id = "string", details = "table",
      headers = "table", sent = "string", outcome = "string", retryable = "boolean", retry_after = "number", attempts = "number",
      idempotency_key = "string", cause = "table",
    }
    server:fault { kind = "status", status = 429, retry_after = 1 }
    local _, err = client:request("POST", "/anything", {})
    for name, value in pairs(err) do assert.equal(known[name], type(value), name) end
    server:fault { kind = "drop" }
    _, err = client:request("POST", "/anything", {})
    for name, value in pairs(err) do assert.equal(known[name], type(value), name) end
    for _, name in ipairs { "status", "request_id", "details", "headers", "retry_after", "body" } do
      assert.is_nil(err[name], name)
    end
    assert.is_truthy(err.idempotency_key:find(rig.UUID))
  end)
end)
