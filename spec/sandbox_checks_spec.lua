-- The requests that the sandbox refuses, and the texts of the refusals. Its client here
-- is the curl command only.

local client = require "spec.sandbox.client"
local json = require "spec.sandbox.json"
local sandbox = require "spec.support.sandbox"

local call, refresh, new_payload, code_of, exchange =
  client.call, client.refresh, client.new_payload, client.code_of, client.exchange

local OFF_CURVE_KEY = exchange(client.KEY, "9Q==", "9A==")
local NO_SUCH_POINT = "MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpQ="

describe("the sandbox refuses", function()
  local server

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)
  before_each(function() server:reset() end)

  -- One problem, named by its field; nothing was executed.
  local function assert_invalid(answer, field, code)
    assert.equal(400, answer.status)
    assert.equal(field, answer.value.details[1].field)
    if code then assert.equal(code, answer.value.details[1].code) end
    assert.is_nil(answer.value.details[2])
    assert.equal(0, server:stats().executions)
  end

  describe("a request", function()
    it("without the API key or with a wrong one", function()
      local payload = new_payload(server)
      for _, value in ipairs { "Bearer wrong", "bearer sandbox-api-key", "sandbox-api-key" } do
        assert.equal("invalid_api_key", code_of(refresh(server, payload, { headers = { Authorization = value } })))
      end
      local answer = refresh(server, payload, { headers = { Authorization = false } })
      assert.equal(401, answer.status)
      assert.equal("missing_api_key", code_of(answer))
    end)

    it("whose headers are not as documented", function()
      local payload = new_payload(server)
      for name, values in pairs {
        ["Content-Type"] = { false, "text/plain", "application/json; charset=latin1" },
        ["x-grid-environment"] = { false, "staging", "Sandbox", { "sandbox", "sandbox" } },
        ["x-idempotency-key"] = { "a b", "a.b", ("x"):rep(256), { "one", "two" } },
      } do
        for _, value in ipairs(values) do
          local answer = refresh(server, payload, { headers = { [name] = value } })
          assert_invalid(answer, name:lower(), "invalid_header")
        end
      end
    end)

    it("for another path, by another method, or with a query", function()
      local body = client.request(new_payload(server))
      assert.equal(404, call(server, "/auth/refresh_session", body).status)
      assert.equal(405, call(server, client.REFRESH, body, { method = "PUT" }).status)
      assert_invalid(call(server, client.REFRESH .. "?a=1", body), "query.a", "unknown_field")
    end)

    it("that is not JSON", function()
      for _, body in ipairs {
        "", "{", "{} x", "{'a':1}", '{"a":1,}', '{"a":1,"a":1}', '{"a":01}', '{"a":"\255"}', '{"a":"\1"}', '{"a":"\\ud800"}',
        ("["):rep(65) .. ("]"):rep(65),
      } do
        assert.equal("invalid_json", code_of(call(server, client.REFRESH, body)), body)
      end
      assert_invalid(call(server, client.REFRESH, "[]"), "body", "invalid_type")
    end)

    it("with fields missing, unknown or of a wrong type", function()
      local payload = new_payload(server)
      assert_invalid(call(server, client.REFRESH, '{"kms_payload":' .. payload .. "}"), "encryption_public_key", "required")
      local extra = exchange(client.request(payload), "{", '{"extra":1,')
      assert_invalid(call(server, client.REFRESH, extra), "extra", "unknown_field")
      assert_invalid(call(server, "/auth", '{"email":1}'), "email", "invalid_type")
      assert_invalid(call(server, "/auth", '{"email":"no-address"}'), "email", "invalid_format")
      assert_invalid(call(server, "/auth", '{"email":"a@b.c","provider":"turnkey"}'), "provider", "invalid_value")
      local config = { encryption_public_key = client.KEY }
      for field, body in pairs {
        otp_code = { otp_code = 123456 }, kms_provider = { kms_provider = "turnkey" },
        ["kms_provider_config.otp_id"] = { kms_provider_config = { encryption_public_key = client.KEY, otp_id = 1 } },
      } do
        body.email = "a@b.c"
        body.otp_code = body.otp_code or "123456"
        body.kms_provider = body.kms_provider or "privy"
        body.kms_provider_config = body.kms_provider_config or config
        assert_invalid(call(server, "/auth/verify", json.encode(body)), field)
      end
    end)

    it("whose public key is no P-256 key in standard base64", function()
      local payload = new_payload(server)
      for _, key in ipairs {
        OFF_CURVE_KEY, NO_SUCH_POINT, client.KEY:gsub("=", ""), client.KEY:gsub("/", "_"), client.KEY .. "\\n",
        exchange(client.KEY, "9Q==", "9R=="), -- bits that no byte uses
        client.KEY:sub(1, -5), "", "AAAA",
      } do
        local answer = call(server, client.REFRESH, client.request(payload, key))
        assert_invalid(answer, "encryption_public_key", "invalid_public_key")
      end
      local answer = call(server, client.REFRESH, '{"encryption_public_key":null,"kms_payload":' .. payload .. "}")
      assert_invalid(answer, "encryption_public_key", "invalid_type")
    end)
  end)

  describe("a payload", function()
    it("that has lost its shape", function()
      local payload = new_payload(server)
      for field, change in pairs {
        ["kms_payload.provider"] = { '"provider":"privy"', '"provider":"turnkey"' },
        ["kms_payload.session.Privy.session.expires_at"] = { '"expires_at":1', '"expires_at":0.1' },
        ["kms_payload.session.Privy.session.wallets[0].policy_ids"] = { '"policy_ids":[]', '"policy_ids":{}' },
        ["kms_payload.session.Privy.session.wallets[0].additional_signers"] =
          { '"additional_signers":[]', '"additional_signers":{}' },
        ["kms_payload.session.Privy.session.wallets[0].exported_at"] = { '"exported_at":null', '"exported_at":"never"' },
        ["kms_payload.session.Privy.more"] = { '"user_id"', '"more":1,"user_id"' },
        ["kms_payload.session.Privy.session.wallets"] = { '"wallets":[', '"wallets":{"a":[' },
      } do
        local altered = exchange(payload, change[1], change[2])
        if change[2]:find('"a":[', 1, true) then altered = exchange(altered, "}]}}}}", "}]}}}}}") end
        assert_invalid(refresh(server, altered), field)
      end
      assert_invalid(refresh(server, "[]"), "kms_payload", "invalid_type")
    end)

    it("whose values are no longer those that were issued", function()
      local payload = new_payload(server)
      for _, change in ipairs {
        { '"exported_at":null,', "" }, { '"created_at":1', '"created_at":2' }, { '"policy_ids":[]', '"policy_ids":["x"]' },
      } do
        local answer = refresh(server, exchange(payload, change[1], change[2]))
        assert.equal("payload_altered", code_of(answer))
        assert.equal("altered", server:last().payload)
      end
      server:set { payload_check = "shape" }
      assert.equal(200, refresh(server, exchange(payload, '"exported_at":null,', "")).status)
    end)

    it("that was written anew, when it is to come back byte for byte", function()
      local payload = new_payload(server)
      local rewritten = exchange(payload, ":", ": ")
      assert.equal(200, refresh(server, rewritten).status)
      assert.equal("equal", server:last().payload)
      server:set { payload_check = "exact" }
      assert.equal("payload_equal", code_of(refresh(server, rewritten)))
      assert.equal(200, refresh(server, payload).status)
      assert.equal("exact", server:last().payload)
    end)

    it("that has lost members which no documentation names", function()
      server:set { unknown_fields = true }
      local payload = new_payload(server)
      assert.equal(200, refresh(server, payload).status)
      assert.equal("payload_altered", code_of(refresh(server, exchange(payload, '"list":[]', '"list":{}'))))
      assert.equal("payload_altered", code_of(refresh(server, exchange(payload, "9007199254740991", "9007199254740992"))))
      assert.equal("payload_altered", code_of(refresh(server, exchange(payload, "\\u00e9", "e"))))
    end)
  end)

  it("in the shape of error that is asked for", function()
    local function refused(shape)
      server:set { error_shape = shape }
      return call(server, client.REFRESH, "{}", { headers = { Authorization = "Bearer wrong" } }).value
    end
    local flat = refused "flat"
    assert.equal("invalid_api_key", flat.details[1].code)
    assert.equal("string", type(flat.request_id))
    local nested = refused "nested"
    assert.equal("invalid_api_key", nested.error.code)
    assert.equal("Invalid API key", nested.error.message)
    assert.same({ error = "Invalid API key" }, refused "upstream")
  end)
end)
