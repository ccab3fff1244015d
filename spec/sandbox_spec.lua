-- The sandbox Grid server: log-in, refresh, the modes for spent tokens, the command that
-- starts the server. Its checks and faults have specs of their own. Its client here is
-- the curl command only.

local client = require "spec.sandbox.client"
local json = require "spec.sandbox.json"
local sandbox = require "spec.support.sandbox"

local call, refresh, payload_of, privy_of, new_payload, code_of, exchange =
  client.call, client.refresh, client.payload_of, client.privy_of, client.new_payload, client.code_of, client.exchange

local COMPRESSED_KEY = "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY="

describe("the sandbox", function()
  local server

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  describe("logs in", function()
    local function begin(email)
      call(server, "/auth", json.encode { email = email })
      return server:control("GET", "/otp?email=" .. email).otp_code
    end

    local function log_in(email, code, otp_id)
      return call(server, "/auth/verify", json.encode {
        email = email, otp_code = code, kms_provider = "privy",
        kms_provider_config = { encryption_public_key = client.KEY, otp_id = otp_id },
      })
    end

    it("with a one-time password that only the control address shows", function()
      local begun = call(server, "/auth", '{"email":"ann@example.com","provider":"privy"}')
      assert.equal(200, begun.status)
      for _, name in ipairs { "type", "email", "status", "otp_id", "provider", "created_at", "expires_at" } do
        assert.equal("string", type(begun.value[name]), name)
      end
      assert.is_true(begun.value.otp_sent)
      assert.is_nil(begun.value.data)
      local pending = server:control("GET", "/otp?email=ann@example.com")
      assert.is_nil(begun.body:find('"' .. pending.otp_code .. '"', 1, true))

      local done = log_in("ann@example.com", pending.otp_code, pending.otp_id)
      assert.equal(200, done.status)
      assert.is_nil(done.value.data)
      assert.equal("string", type(done.value.address))
      assert.equal("string", type(done.value.grid_user_id))
      assert.equal(1, done.value.policies.threshold)
      assert.equal("privy", done.value.authentication[1].provider)
      assert.equal("string", type(done.value.authentication[1].session.Privy.refresh_token))
    end)

    it("only once with one password", function()
      local code = begin "ann@example.com"
      assert.equal(200, log_in("ann@example.com", code).status)
      assert.equal("otp_not_found", code_of(log_in("ann@example.com", code)))
    end)

    it("not after three wrong tries, even with the right password", function()
      local code = begin "ann@example.com"
      local wrong = code == "000000" and "000001" or "000000"
      for _ = 1, 3 do assert.equal("invalid_otp", code_of(log_in("ann@example.com", wrong))) end
      local refused = log_in("ann@example.com", code)
      assert.equal(401, refused.status)
      assert.equal("otp_attempts_exceeded", code_of(refused))
    end)

    it("not with the otp_id of another log-in", function()
      assert.equal("invalid_otp", code_of(log_in("ann@example.com", begin "ann@example.com", "another")))
    end)
  end)

  describe("refreshes", function()
    it("with a new key and the same tokens while the user token lives", function()
      local payload = new_payload(server)
      local answer = refresh(server, payload)
      assert.equal(200, answer.status)
      assert.equal(answer.headers["x-request-id"], answer.value.metadata.request_id)
      assert.is_truthy(answer.value.metadata.timestamp:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$")
      local before, after = privy_of(payload), privy_of(payload_of(answer))
      assert.equal(before.token, after.token)
      assert.equal(before.refresh_token, after.refresh_token)
      assert.not_equal(before.session.encrypted_authorization_key.encapsulated_key,
        after.session.encrypted_authorization_key.encapsulated_key)
      assert.equal(1, server:stats().tier1)
    end)

    it("with new tokens once the user token has expired", function()
      server:set { token_lifetime = 0 }
      local payload = new_payload(server)
      local answer = refresh(server, payload)
      assert.equal(200, answer.status)
      local before, after = privy_of(payload), privy_of(payload_of(answer))
      assert.not_equal(before.token, after.token)
      assert.not_equal(before.privy_access_token, after.privy_access_token)
      assert.not_equal(before.refresh_token, after.refresh_token)
      assert.equal(1, server:stats().tier2)
      assert.equal(2, server:control("GET", "/sessions")[1].generation)
    end)

    it("giving times in the documented units", function()
      server:set { token_lifetime = 100, key_lifetime = 50 }
      local session = privy_of(new_payload(server)).session
      local now = os.time()
      assert.is_true(math.abs(session.expires_at / 1000 - (now + 50)) < 5)
      assert.is_true(math.abs(server:control("GET", "/sessions")[1].token_expires - (now + 100)) < 5)
      assert.is_true(session.wallets[1].created_at > 1e11)
    end)

    it("giving encrypted keys of the right lengths", function()
      local key = privy_of(new_payload(server)).session.encrypted_authorization_key
      assert.equal("HPKE", key.encryption_type)
      assert.equal(88, #key.encapsulated_key)                      -- base64 of 65 bytes
      assert.equal(math.ceil((184 + 16) / 3) * 4, #key.ciphertext) -- of a text of 184 bytes and a tag of 16
    end)

    it("with either form of the public key", function()
      local payload = new_payload(server)
      assert.equal(200, call(server, client.REFRESH, client.request(payload, client.KEY)).status)
      assert.equal(200, call(server, client.REFRESH, client.request(payload, COMPRESSED_KEY)).status)
    end)

    it("over HTTP/2 and HTTP/1.1, by TLS and without", function()
      local payload = new_payload(server)
      assert.equal("2", refresh(server, payload, { base = server.https }).version)
      assert.equal("1.1", refresh(server, payload, { base = server.https, flags = "--http1.1" }).version)
      assert.equal(200, refresh(server, payload, { base = server.https, flags = "--tls-max 1.2" }).status)
      assert.equal(200, refresh(server, payload).status)
      assert.equal(4, server:stats().requests)
      assert.equal(4, server:stats().connections)
    end)

    it("no session that it does not know", function()
      local payload = new_payload(server)
      local token = privy_of(payload).refresh_token
      local answer = refresh(server, exchange(payload, token, ("x"):rep(#token)))
      assert.equal(401, answer.status)
      assert.equal("invalid_refresh_token", code_of(answer))
      assert.equal(0, server:stats().executions)
    end)

    it("no session by the user token of another, and none by a forged one", function()
      local one, other = new_payload(server), new_payload(server)
      assert.equal("invalid_token", code_of(refresh(server, exchange(one, privy_of(one).token, privy_of(other).token))))
      assert.equal("invalid_token", code_of(refresh(server, exchange(one, privy_of(one).token, "e30.e30.e30"))))
    end)

    it("no refresh token that has outlived its lifetime", function()
      local payload = new_payload(server)
      server:set { refresh_lifetime = -10 }
      assert.equal("refresh_token_expired", code_of(refresh(server, payload)))
    end)
  end)

  describe("met by a spent refresh token", function()
    local function spent_payload()
      server:set { tier = "2" }
      local payload = new_payload(server)
      return payload, refresh(server, payload)
    end

    it("revokes the whole session in mode strict", function()
      local payload, answer = spent_payload()
      local again = refresh(server, payload)
      assert.equal(401, again.status)
      assert.equal("refresh_token_reused", code_of(again))
      assert.equal("session_revoked", code_of(refresh(server, payload_of(answer))))
      assert.equal(1, server:stats().reuses)
      assert.equal(2, server:executions("refresh_token", privy_of(payload).refresh_token))
    end)

    it("gives out a further pair in mode grace, until the time is over", function()
      server:set { mode = "grace", grace = 1 }
      local payload, answer = spent_payload()
      local again = refresh(server, payload)
      assert.equal(200, again.status)
      assert.not_equal(privy_of(payload_of(answer)).refresh_token, privy_of(payload_of(again)).refresh_token)
      assert.equal(200, refresh(server, payload_of(answer)).status)
      assert.equal(200, refresh(server, payload_of(again)).status)
      server:set { grace = 0 }
      assert.equal("refresh_token_reused", code_of(refresh(server, payload)))
    end)

    it("gives the stored answer again in mode idempotent, for the same key and bytes", function()
      server:set { mode = "idempotent", tier = "2" }
      local payload = new_payload(server)
      local with_key = { headers = { ["x-idempotency-key"] = "one-KEY_1" } }
      local first = refresh(server, payload, with_key)
      local again = refresh(server, payload, with_key)
      assert.equal(200, again.status)
      assert.equal(first.body, again.body)
      assert.equal(first.headers["x-request-id"], again.headers["x-request-id"])
      assert.equal(1, server:executions("idempotency_key", "one-KEY_1"))
      assert.equal(1, server:stats().replays)
    end)

    it("takes a key in mode idempotent for one request only", function()
      server:set { mode = "idempotent", tier = "2" }
      local payload = new_payload(server)
      local key_one, key_two = { ["x-idempotency-key"] = "one" }, { ["x-idempotency-key"] = "two" }
      refresh(server, payload, { headers = key_one })
      assert.equal(409, refresh(server, payload .. " ", { headers = key_one }).status)
      assert.equal("refresh_token_reused", code_of(refresh(server, payload, { headers = key_two })))
    end)
  end)

  describe("in the cookie flow", function()
    it("takes the session from the cookie and answers with new cookies", function()
      server:set { tier = "2" }
      local token = privy_of(new_payload(server)).refresh_token
      for _, body in ipairs { "", ',"kms_payload":null' } do
        local answer = call(server, client.REFRESH, '{"encryption_public_key":"' .. client.KEY .. '"' .. body .. "}",
          { headers = { Cookie = "other=1; grid_session=" .. token } })
        assert.equal(200, answer.status)
        token = privy_of(payload_of(answer)).refresh_token
        local lines = answer.headers["set-cookie"]
        assert.equal(2, select(2, lines:gsub("[^\n]+", "")))
        assert.is_truthy(lines:find("grid_session=" .. token .. "; Path=/; HttpOnly; Secure", 1, true))
      end
      assert.equal(2, server:stats().tier2)
    end)

    it("refuses a cookie that it did not give", function()
      local answer = call(server, client.REFRESH, '{"encryption_public_key":"' .. client.KEY .. '"}',
        { headers = { Cookie = "grid_session=nothing" } })
      assert.equal(401, answer.status)
    end)

    it("refuses a request with neither payload nor cookie", function()
      local answer = call(server, client.REFRESH, '{"encryption_public_key":"' .. client.KEY .. '"}')
      assert.equal(400, answer.status)
      assert.equal("kms_payload", answer.value.details[1].field)
    end)
  end)

  it("answers alike and unchecked in fixed mode, after a delay", function()
    server:set { fixed = true, fixed_delay = 0.2 }
    local answer = call(server, "/anything", "not even JSON")
    assert.equal(200, answer.status)
    assert.is_true(answer.seconds >= 0.2)
    assert.equal("string", type(privy_of(payload_of(answer)).refresh_token))
  end)

  it("takes a choice between numbers as a number or as text", function()
    for _, tier in ipairs { 1, "2" } do
      server:set { tier = tier }
      assert.equal(tostring(tier), server:control("GET", "/settings").tier)
    end
  end)

  it("tells its control address's users what they got wrong", function()
    assert.has_error(function() server:set { mode = "lenient" } end,
      "control /settings: mode must be one of strict, grace, idempotent")
    assert.has_error(function() server:set { colour = 1 } end, "control /settings: unknown setting colour")
    assert.has_error(function() server:set { tier = 3 } end, "control /settings: tier must be one of auto, 1, 2")
    assert.has_error(function() server:control("GET", "/nothing") end, "control /nothing: no such control address")
  end)
end)

describe("the command spec/sandbox/run", function()
  local function exists(path)
    local file = io.open(path)
    if file then file:close() end
    return file ~= nil
  end

  local function runs(pid)
    return exists("/proc/" .. pid .. "/stat")
  end

  it("starts on the ports asked for, in the folder asked for, with the settings asked for", function()
    local first = sandbox.start()
    local http, https, dir = first.http:match "%d+$", first.https:match "%d+$", first.dir
    first:stop()
    dir = dir .. " & kept"
    local second = sandbox.start { http_port = http, https_port = https, dir = dir, mode = "grace", key_lifetime = 7 }
    assert.equal("http://127.0.0.1:" .. http, second.http)
    assert.equal("https://localhost:" .. https, second.https)
    assert.equal("grace", second:control("GET", "/settings").mode)
    assert.equal(7, second:control("GET", "/settings").key_lifetime)
    second:set { mode = "strict" }
    second:reset()
    assert.equal("grace", second:control("GET", "/settings").mode)
    second:stop()
    assert.is_true(exists(dir .. "/error.log"))
    os.execute("rm -r '" .. dir .. "'")
  end)

  it("leaves neither process nor folder behind", function()
    local server = sandbox.start()
    assert.is_true(runs(server.pid) and exists(server.dir .. "/ca.pem"))
    server:stop()
    assert.is_false(runs(server.pid) or exists(server.dir .. "/ca.pem"))
    server:stop()
  end)

  it("ends by itself when the process that it watches has ended, and no process has waited for that", function()
    local sleeper = io.popen "echo $$; exec sleep 60"
    local pid = sleeper:read "*l"
    local server = sandbox.start { watch = pid }
    os.execute("kill " .. pid)
    os.execute "sleep 2.5"
    assert.is_false(exists(server.dir .. "/ca.pem"))
    sleeper:close()
    server:stop()
  end)

  it("says what is wrong with its options and ends", function()
    local pipe = io.popen "spec/sandbox/run --mode lenient 2>&1; echo ended $?"
    local text = pipe:read "*a"
    pipe:close()
    assert.is_truthy(text:find("mode must be one of strict, grace, idempotent", 1, true))
    assert.is_truthy(text:find("ended 1", 1, true))
  end)
end)
