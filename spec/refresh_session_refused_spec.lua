-- client:refresh_session with invalid arguments: errors before a request is sent, and
-- misuse that raises at the line of the caller.

local grid = require "grid"
local rig = require "spec.support.rig"

local assert_error, assert_misuse = rig.assert_error, rig.assert_misuse

describe("client:refresh_session", function()
  local server = rig.sandbox()
  local own = rig.refreshing(server)
  local refresh = own.refresh

  local function assert_sent_nothing()
    assert.equal(0, server:stats().requests)
  end

  describe("refuses, before anything is sent,", function()
    local function assert_refused(payload, code)
      local res, err = refresh(payload)
      assert.is_nil(res)
      assert_error(err, { kind = "request", code = code, sent = "no", retryable = false, attempts = 0 })
      assert.matches("kms_payload", err.message)
      assert.is_nil(err.status)
      assert_sent_nothing()
    end

    local bad = {
      ["nothing"] = "", ["blanks"] = " \n", ["a list"] = "[]", ["a string"] = '"text"', ["a number"] = "1", ["null"] = "null",
      ["what is cut off"] = '{"session":{', ["what goes on"] = "{} {}", ["what is not UTF-8"] = '{"a":"\255"}',
      ["single quotes"] = "{'a':1}", ["a byte order mark"] = "\239\187\191{}", ["a NUL"] = '{"a":"\0"}',
      ["a trailing comma"] = '{"a":1,}', ["NaN"] = '{"a":NaN}', ["no JSON at all"] = "<html>",
    }
    for title, text in pairs(bad) do
      it("payload text that is " .. title, function() assert_refused(text, "bad_payload") end)
    end

    it("payload text that is nested too deeply", function()
      assert_refused(('{"a":'):rep(65) .. "1" .. ("}"):rep(65), "bad_payload")
    end)

    it("a session of Turnkey, as text and as a table", function()
      assert_refused('{"session":{"Turnkey":{"user_id":"u"}}}', "turnkey_session")
      assert_refused({ session = { Turnkey = { user_id = "u" } } }, "turnkey_session")
      assert_refused('{"session":{"Turn\\u006bey":{}}}', "turnkey_session")
      assert_refused('{"session":{"Turnkey":{}},"session":{"Turnkey":{}}}', "turnkey_session")
    end)

    it("values that have no JSON form, in a table", function()
      assert_refused({ a = print }, "bad_value")
      assert_refused({ a = 0 / 0 }, "bad_value")
      assert_refused({ a = math.huge }, "bad_value")
      assert_refused({ a = "\255" }, "bad_value")
      assert_refused({ [1] = "x", a = 1 }, "bad_value")
      assert_refused({ [2] = "x" }, "bad_value")
      assert_refused({ [true] = "x" }, "bad_value")
      local circle = {}
      circle.circle = circle
      assert_refused(circle, "bad_value")
    end)

    it("a list as a table, since a payload is an object", function()
      assert_refused({ 1, 2 }, "bad_payload")
    end)

    it("a key that no header may carry", function()
      for _, key in ipairs { "a b", "a\nb", "a\0b", "ä", "a/b", "a:b" } do
        local res, err = refresh((rig.session(server)), { idempotency_key = key })
        assert.is_nil(res)
        assert_error(err, { kind = "request", code = "bad_idempotency_key", sent = "no", attempts = 0 })
        assert_sent_nothing()
      end
    end)

    it("a user agent with control characters, when it is called and not before", function()
      for _, text in ipairs { "a\r\nX-Other: b", "a\0b", "\127" } do
        local other = rig.client(server, { user_agent = text })
        local res, err = other:refresh_session(rig.request(server))
        assert.is_nil(res)
        assert_error(err, { kind = "request", code = "bad_header", sent = "no" })
        other:close()
      end
      assert_sent_nothing()
    end)

    it("a public key that is not UTF-8, by its name", function()
      local res, err = own.client:refresh_session { encryption_public_key = "MFkw\255", kms_payload = "{}" }
      assert.is_nil(res)
      assert_error(err, { kind = "request", code = "bad_utf8", sent = "no" })
      assert.is_truthy(err.message:find("encryption_public_key", 1, true))
      assert_sent_nothing()
    end)

    it("a cookie or an API key with control characters", function()
      for _, text in ipairs { "a\r\nX-Other: b", "a\nb", "a\0b", "a\127b", "a\1" } do
        local res, err = refresh(nil, { cookie = text })
        assert.is_nil(res)
        assert_error(err, { kind = "request", sent = "no" })
        local other = rig.client(server, { api_key = text, retries = 2 })
        res, err = other:refresh_session(rig.request(server))
        assert.is_nil(res)
        assert_error(err, { kind = "request", sent = "no" })
        assert.is_nil(tostring(err):find("X-Other", 1, true))
        other:close()
      end
      assert_sent_nothing()
    end)

    it("a call without an API key", function()
      local other = grid.new { base_url = server.http }
      if other.options.api_key == nil then -- unless the environment has one
        local res, err = other:refresh_session(rig.request(server))
        assert.is_nil(res)
        assert_error(err, { kind = "request", code = "no_api_key", sent = "no" })
        assert.is_truthy(tostring(err):find("GRID_API_KEY", 1, true))
        assert_sent_nothing()
      end
      other:close()
    end)

    it("an API key that is empty", function()
      local other = rig.client(server, { api_key = "" })
      local _, err = other:refresh_session(rig.request(server))
      assert_error(err, { kind = "request", code = "no_api_key", sent = "no", attempts = 0 })
      other:close()
    end)
  end)

  it("refuses, before anything is sent, a private key in place of the public one, in whatever form", function()
    local pair = grid.keypair()
    local export = pair:export()
    pair:close()
    local forms = {
      export, "\n" .. export, "wallet-auth:" .. export,
      "-----BEGIN PRIVATE KEY-----\n" .. export .. "\n-----END PRIVATE KEY-----\n",
      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg", -- PKCS#8 of 138 bytes, its beginning
      "MEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCA", -- of 67 bytes
      "MHcCAQEEIFgkL2", "MDECAQEEIFgkL2", -- SEC 1, with and without the public half
    }
    for _, form in ipairs(forms) do
      for _, call in ipairs { "refresh_session", "complete_auth" } do
        local request = { encryption_public_key = form }
        if call == "complete_auth" then request.email, request.otp_code = "a@example.com", "123456" end
        local res, err = own.client[call](own.client, request)
        assert.is_nil(res)
        assert_error(err, { kind = "request", code = "private_key", sent = "no" })
        assert.is_nil(tostring(err):find(form, 1, true))
      end
    end
    assert_sent_nothing()
  end)

  it("keeps what was Turnkey's as null, which the service sends", function()
    server:fault { kind = "status", status = 409 }
    local _, err = refresh '{"session":{"Privy":{},"Turnkey":null}}'
    assert_error(err, { status = 409 })
  end)

  describe("raises, at the line of its caller, for", function()
    it("a request that is no table, or has a field that is missing, unknown or wrong", function()
      assert_misuse(function() own.client:refresh_session() end, "client:refresh_session: the request must be a table, got nil")
      assert_misuse(function() own.client:refresh_session "text" end, "must be a table, got string")
      assert_misuse(function() own.client:refresh_session {} end, "'encryption_public_key' is missing")
      assert_misuse(function() own.client:refresh_session { encryption_public_key = 7 } end,
        "'encryption_public_key' must be a string, got number")
      assert_misuse(function() own.client:refresh_session { encryption_public_key = "" } end, "'encryption_public_key' must be")
      assert_misuse(function() own.client:refresh_session { encryption_public_key = "k", kms_payloads = {} } end,
        "unknown field 'kms_payloads', did you mean 'kms_payload'?")
      for _, value in ipairs { 7, true, print, io.stdout } do
        assert_misuse(function() own.client:refresh_session { encryption_public_key = "k", kms_payload = value } end,
          "'kms_payload' must be a string or table, got " .. type(value))
      end
      assert_sent_nothing()
    end)

    it("options of a call that are wrong", function()
      assert_misuse(function() refresh("{}", "text") end, "client:refresh_session: the options must be a table, got string")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { cookies = "a" }) end,
        "unknown field 'cookies', did you mean 'cookie'?")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { timeout = 0 }) end, "'timeout' must be")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { timeout = "5" }) end, "'timeout' must be")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { idempotency_key = 5 }) end,
        "'idempotency_key' must be")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { idempotency_key = "" }) end,
        "'idempotency_key' must be")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { cookie = "" }) end, "'cookie' must be")
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}"), { retries = -1 }) end, "'retries' must be")
      assert_sent_nothing()
    end)

    it("a caller that ended with this very call, at the line of the caller's caller", function()
      local function gone() return own.client:refresh_session {} end
      assert_misuse(function() gone() end, "'encryption_public_key' is missing")
    end)

    it("a dot where a colon belongs, and a client that was closed", function()
      assert_misuse(function() own.client.refresh_session(rig.request(server, "{}")) end, "call it with a colon")
      own.client:close()
      assert_misuse(function() own.client:refresh_session(rig.request(server, "{}")) end, "the client is closed")
      assert_sent_nothing()
    end)
  end)

  it("gives up after the timeout of the call, though the client has a longer one", function()
    server:fault { kind = "delay", hold = true }
    local request, start = rig.request(server), os.time()
    local patient = rig.client(server, { timeout = 50 })
    local res, err = patient:refresh_session(request, { timeout = 0.5 })
    assert.is_nil(res)
    assert_error(err, { kind = "timeout", sent = "unknown" })
    assert.is_true(os.time() - start < 40)
  end)
end)
