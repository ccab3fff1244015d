-- client:init_auth and client:complete_auth: from an e-mail address to a first session.

local grid = require "grid"
local rig = require "spec.support.rig"

local assert_error, assert_misuse = rig.assert_error, rig.assert_misuse
local EMAIL = "ann@example.com"

describe("a log-in", function()
  local server = rig.sandbox()
  local client

  before_each(function() client = rig.client(server) end)

  local function password()
    return server:control("GET", "/otp?email=" .. EMAIL)
  end

  it("begins with an address, and privy unless something else is said", function()
    local res = assert(client:init_auth { email = EMAIL })
    assert.equal('{"email":"ann@example.com","provider":"privy"}', server:last().body)
    assert.equal("/auth", server:last().path)
    assert.equal(EMAIL, res.data.email)
    assert.is_true(res.data.otp_sent)
    assert.same({}, res.metadata)
    assert.is_nil(res.kms_payload_json)
    assert(client:init_auth { email = EMAIL, provider = "privy" })
    local _, err = client:init_auth { email = EMAIL, provider = "turnkey" }
    assert_error(err, { kind = "api", status = 400, sent = "yes" })
  end)

  it("ends with the one-time password, and gives what refresh_session takes", function()
    assert(client:init_auth { email = EMAIL })
    local res = assert(client:complete_auth { email = EMAIL, otp_code = password().otp_code, encryption_public_key = rig.KEY })
    assert.equal("/auth/verify", server:last().path)
    assert.equal("string", type(res.data.address))
    assert.equal("{", res.kms_payload_json:sub(1, 1))
    assert.equal(2, #res.cookies)
    server:set { payload_check = "exact" }
    local fresh = assert(client:refresh_session { encryption_public_key = rig.KEY, kms_payload = res.kms_payload_json })
    assert.equal("exact", server:last().payload)
    assert.equal(res.data.authentication[1].session.Privy.user_id, fresh.data.kms_payload.session.Privy.user_id)
  end)

  it("can name which of several it means", function()
    assert(client:init_auth { email = EMAIL })
    local pending = password()
    local request = { email = EMAIL, otp_code = pending.otp_code, encryption_public_key = rig.KEY, otp_id = "another" }
    local _, err = client:complete_auth(request)
    assert_error(err, { kind = "auth", status = 401 })
    request.otp_id = pending.otp_id
    assert(client:complete_auth(request))
    request.otp_id = grid.null -- as in an answer that names none
    client:complete_auth(request)
    assert.is_nil(server:last().body:find("otp_id", 1, true))
  end)

  it("that is refused says why", function()
    assert(client:init_auth { email = EMAIL })
    local wrong = password().otp_code == "000000" and "111111" or "000000"
    local _, err = client:complete_auth { email = EMAIL, otp_code = wrong, encryption_public_key = rig.KEY }
    assert_error(err, { kind = "auth", code = "invalid_otp", sent = "yes", retryable = false })
  end)

  it("takes the answer wrapped in data or not, and gives the bytes and the expiry of its session", function()
    local session = '{"provider":"privy", "session":{"Privy":{"token":"t","refresh_token":null,"session":{"expires_at":2e12}}}}'
    for _, body in ipairs { '{"data":{"authentication":[%s]}}', '{"authentication":[ %s,{}]}' } do
      server:fault { kind = "body", body = body:format(session) }
      local res = assert(client:complete_auth { email = EMAIL, otp_code = "123456", encryption_public_key = rig.KEY })
      assert.equal(session, res.kms_payload_json)
      assert.equal(2000000000, res.expires_at)
    end
  end)

  it("whose answer is invalid has the answer in its error", function()
    for _, body in ipairs {
      "{}", '{"authentication":[]}', '{"authentication":{}}', '{"authentication":null}', '{"authentication":"x"}',
      '{"authentication":[{"session":{"Turnkey":{}}}]}', '{"authentication":[{"session":{"Privy":{"token":7}}}]}', "[]",
      '{"authentication":[{"session":{"Privy":{"token":"t"}}}]}',
    } do
      server:fault { kind = "body", body = body }
      local res, err = client:complete_auth { email = EMAIL, otp_code = "123456", encryption_public_key = rig.KEY }
      assert.is_nil(res)
      assert_error(err, { kind = "protocol", code = "bad_answer", sent = "yes", body = body })
    end
  end)

  it("refuses an answer whose data is no object", function()
    for _, body in ipairs { '{"data":null}', '{"data":[]}', "[]", '{"data":"x"}', '{"data":5}' } do
      server:fault { kind = "body", body = body }
      local res, err = client:init_auth { email = EMAIL }
      assert.is_nil(res, body)
      assert_error(err, { kind = "protocol", code = "bad_answer", sent = "yes", body = body })
    end
  end)

  it("takes the options of a call", function()
    local res = assert(client:init_auth({ email = EMAIL }, { idempotency_key = "k-1" }))
    assert.equal("k-1", res.idempotency_key)
    server:fault { kind = "delay", hold = true }
    local _, err = client:init_auth({ email = EMAIL }, { timeout = 0.1 })
    assert_error(err, { kind = "timeout" })
  end)

  it("raises at the line of its caller for fields that are missing, unknown or wrong", function()
    assert_misuse(function() client:init_auth() end, "client:init_auth", "must be a table")
    assert_misuse(function() client:init_auth {} end, "'email' is missing")
    assert_misuse(function() client:init_auth { email = "" } end, "'email' must be")
    assert_misuse(function() client:init_auth { email = EMAIL, providers = "privy" } end, "did you mean 'provider'?")
    assert_misuse(function() client:complete_auth { email = EMAIL, otp_code = 123456, encryption_public_key = "k" } end,
      "client:complete_auth", "'otp_code' must be a string, got number")
    assert_misuse(function() client:complete_auth { email = EMAIL, otp_code = "1", encryption_key = "k" } end,
      "unknown field 'encryption_key'")
    assert_misuse(function() client:complete_auth { email = EMAIL, otp_code = "1" } end, "'encryption_public_key' is missing")
    for _ = 1, 10 do -- always the same one of several
      assert_misuse(function() client:complete_auth {} end, "'email' is missing")
      assert_misuse(function() client:complete_auth { otp_code = 1, email = 1, otp_id = 1, a = 1 } end, "unknown field 'a'")
    end
    assert.equal(0, server:stats().requests)
  end)

  it("cannot carry what is not UTF-8", function()
    local _, err = client:init_auth { email = "ann\255@example.com" }
    assert_error(err, { kind = "request", sent = "no" })
    assert.is_true(grid.is_error(err, "request"))
  end)
end)
