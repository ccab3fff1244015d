-- The accounts of the sandbox: read, and changed by a transaction that is prepared,
-- signed and submitted. Its clients here are curl and node only.

local client = require "spec.sandbox.client"
local json = require "spec.sandbox.json"
local peer = require "spec.sandbox.peer"
local sandbox = require "spec.support.sandbox"

local call, code_of = client.call, client.code_of

local OWN = "9xQeWvG816bUx9EPjHmaT23yvVM2ZWbrrpZb9PusVFin"
local BACKUP = "7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV"
local VOTER = { "CAN_INITIATE", "CAN_VOTE", "CAN_EXECUTE" }

describe("the sandbox's accounts", function()
  local server, pair, session

  setup(function()
    server = sandbox.share()
    pair = peer.keypair()
  end)
  teardown(function() server:stop() end)

  local function new_session(email)
    return server:sessions({ email = email, encryption_public_key = pair.public_key })[1]
  end

  before_each(function()
    server:reset()
    session = new_session()
  end)

  local function get(address)
    return call(server, "/accounts/" .. address, nil, { method = "GET", headers = { ["Content-Type"] = false } })
  end

  local function patch(address, changes, query)
    return call(server, "/accounts/" .. address .. (query or "?admin=true"), json.encode(changes), { method = "PATCH" })
  end

  local function prepare(owner, changes)
    local answer = patch(owner.address, changes or { time_lock = 60 })
    assert.equal(200, answer.status)
    return answer.value.data
  end

  local function sign(owner, prepared)
    return peer.sign(owner.kms_payload_json, pair, prepared.kms_payloads[1].payload)
  end

  local function submit(address, prepared, signature, options)
    local body = json.encode {
      transaction = prepared.transaction, kms_payloads = { { provider = "privy", signature = signature } },
    }
    return call(server, "/accounts/" .. address .. "/submit", body, options)
  end

  local function policies(address)
    return get(address).value.data.policies
  end

  describe("show", function()
    it("address and policies, the session's wallet being the one signer", function()
      local answer = get(session.address)
      assert.equal(200, answer.status)
      assert.equal(answer.headers["x-request-id"], answer.value.metadata.request_id)
      local account = answer.value.data
      assert.equal(session.address, account.address)
      assert.equal("active", account.status)
      assert.equal(1, account.policies.threshold)
      assert.equal(json.null, account.policies.time_lock)
      assert.equal(session.signer, account.policies.signers[1].address)
      local wallet = client.privy_of(session.kms_payload_json).session.wallets[1]
      assert.equal(wallet.address, account.policies.signers[1].address)
      assert.not_equal(session.address, session.signer)
    end)

    it("the same address after each log-in with an email", function()
      local one, other = new_session "ann@example.com", new_session "ann@example.com"
      assert.equal(one.address, other.address)
      assert.equal(one.signer, other.signer)
      assert.not_equal(one.refresh_token, other.refresh_token)
    end)

    it("nothing at an address that is none, with a body, or with a query", function()
      local answer = get(OWN)
      assert.equal(404, answer.status)
      assert.equal("account_not_found", code_of(answer))
      assert.equal(404, get(session.address .. "/more").status)
      assert.equal(400, get(session.address .. "?admin=true").status)
      assert.equal(400, call(server, "/accounts/" .. session.address, "{}", { method = "GET" }).status)
      assert.equal(405, call(server, "/accounts/" .. session.address, "{}").status)
    end)
  end)

  describe("prepare a change", function()
    it("as a transaction that is about the account, with a payload for its signer", function()
      local prepared = prepare(session)
      assert.same({ session.signer }, { prepared.transaction_signers[1] })
      local payload = prepared.kms_payloads[1]
      assert.equal("privy", payload.provider)
      assert.equal(session.signer, payload.address)
      local inside = json.decode((peer.ask("text", { text = payload.payload }).text))
      assert.equal(prepared.transaction, inside.body.params.transaction)
    end)

    it("in a payload that is not canonical, down to its numbers, letters and names", function()
      local text = peer.ask("text", { text = prepare(session).kms_payloads[1].payload }).text
      local canonical = peer.ask("canonicalize", { texts = { text } }).texts[1]
      assert.not_equal(text, canonical)
      assert.is_truthy(text:find("1E30", 1, true) and canonical:find("1e+30", 1, true))
      assert.is_truthy(text:find("caf\\u00e9 \\/ thé", 1, true) and canonical:find("café / thé", 1, true))
    end)

    it("without changing anything yet", function()
      prepare(session, { threshold = 1, time_lock = 60 })
      assert.equal(json.null, policies(session.address).time_lock)
    end)

    it("with or without admin, and with no other query", function()
      for _, query in ipairs { "", "?admin=true", "?admin=false" } do
        assert.equal(200, patch(session.address, { time_lock = 1 }, query).status)
      end
      for _, query in ipairs { "?admin", "?admin=1", "?admin=true&admin=true", "?more=1" } do
        assert.equal(400, patch(session.address, { time_lock = 1 }, query).status, query)
      end
    end)

    it("again for one idempotency key, query and all, in mode idempotent", function()
      server:set { mode = "idempotent" }
      local function once_more(query, change)
        return call(server, "/accounts/" .. session.address .. query, change or '{"time_lock":60}',
          { method = "PATCH", headers = { ["x-idempotency-key"] = "one" } })
      end
      local first = once_more "?admin=true"
      assert.equal(first.body, once_more("?admin=true").body)
      assert.equal(409, once_more("").status)
      assert.equal(409, once_more("?admin=true", '{"time_lock":61}').status)
    end)

    it("that makes sense", function()
      local function refused(changes, field, code)
        local answer = patch(session.address, changes)
        assert.equal(400, answer.status)
        assert.same({ field, code }, { answer.value.details[1].field, answer.value.details[1].code })
      end
      refused({ colour = "red" }, "colour", "unknown_field")
      refused({ transaction_signers = { session.signer } }, "body", "nothing_to_change")
      refused({ threshold = 2 }, "threshold", "invalid_value")
      refused({ threshold = 0 }, "threshold", "invalid_value")
      refused({ threshold = "1" }, "threshold", "invalid_type")
      refused({ time_lock = 0.5 }, "time_lock", "invalid_type")
      refused({ admin_address = "0OIl" }, "admin_address", "invalid_address")
      refused({ admin_address = OWN:sub(1, -3) }, "admin_address", "invalid_address")
      refused({ signers = json.array() }, "signers", "too_short")
      refused({ signers = { { address = OWN, permissions = { "CAN_FLY" } } } }, "signers[0].permissions[0]", "invalid_value")
      refused({ signers = { { address = OWN, permissions = { "CAN_EXECUTE" } } } }, "threshold", "invalid_value")
      local twice = { address = OWN, permissions = VOTER }
      refused({ signers = { twice, twice } }, "signers", "invalid_value")
      refused({ time_lock = 1, transaction_signers = { OWN } }, "transaction_signers", "unknown_signer")
      assert.equal(404, patch(OWN, { time_lock = 1 }).status)
      assert.equal(0, server:stats().executions)
    end)
  end)

  describe("are changed by a submitted transaction", function()
    it("whose payload is signed in canonical form by the session's key", function()
      local changes = {
        signers = { { address = OWN, role = "primary", permissions = VOTER }, { address = BACKUP, permissions = VOTER } },
        threshold = 2, time_lock = 3600, admin_address = OWN,
      }
      local prepared = prepare(session, changes)
      local answer = submit(session.address, prepared, sign(session, prepared))
      assert.equal(200, answer.status)
      assert.is_truthy(answer.value.data.transaction_signature:find "^%w+$")
      assert.is_truthy(answer.value.data.confirmed_at:find "^%d%d%d%d%-%d%d%-%d%dT")
      local now = policies(session.address)
      assert.same({ OWN, BACKUP, 2, 3600, OWN },
        { now.signers[1].address, now.signers[2].address, now.threshold, now.time_lock, now.admin_address })
      assert.equal("fine", server:control("GET", "/requests")[2].signature)
      assert.equal(1, server:executions("transaction", prepared.transaction))
    end)

    it("once: a second time is refused, and repeated only for one idempotency key in mode idempotent", function()
      local prepared = prepare(session)
      local signature = sign(session, prepared)
      assert.equal(200, submit(session.address, prepared, signature).status)
      local again = submit(session.address, prepared, signature)
      assert.equal(409, again.status)
      assert.equal("transaction_already_submitted", code_of(again))

      server:set { mode = "idempotent" }
      prepared = prepare(session)
      signature = sign(session, prepared)
      local with_key = { headers = { ["x-idempotency-key"] = "one" } }
      local first = submit(session.address, prepared, signature, with_key)
      assert.equal(first.body, submit(session.address, prepared, signature, with_key).body)
      assert.equal(1, server:executions("transaction", prepared.transaction))
      assert.equal(409, submit(session.address, prepared, signature).status)
    end)

    it("not by a former signer", function()
      local early = prepare(session)
      local prepared = prepare(session, { signers = { { address = OWN, permissions = VOTER } } })
      assert.equal(200, submit(session.address, prepared, sign(session, prepared)).status)
      local late = submit(session.address, early, sign(session, early))
      assert.equal(403, late.status)
      assert.equal("not_a_signer", code_of(late))

      local theirs = prepare(session, { time_lock = 5, transaction_signers = { OWN } })
      assert.is_nil(theirs.kms_payloads[1])
      assert.equal("missing_signature", code_of(submit(session.address, theirs, "AAAA")))
    end)

    it("not if it is unknown, or another account's", function()
      local prepared, other = prepare(session), new_session()
      local signature = sign(session, prepared)
      local answer = submit(session.address, { transaction = "AAAA" }, signature)
      assert.equal(404, answer.status)
      assert.equal("transaction_not_found", code_of(answer))
      answer = submit(other.address, prepared, signature)
      assert.equal(409, answer.status)
      assert.equal("transaction_of_another_account", code_of(answer))
      assert.equal(200, submit(session.address, prepared, signature).status)
    end)

    it("not with fields missing, unknown or of a wrong type", function()
      local path = "/accounts/" .. session.address .. "/submit"
      for field, body in pairs {
        transaction = '{"kms_payloads":[]}', kms_payloads = '{"transaction":"AAAA"}',
        ["kms_payloads[0].provider"] = '{"transaction":"AAAA","kms_payloads":[{"provider":"turnkey","signature":"AAAA"}]}',
        ["kms_payloads[0].signature"] = '{"transaction":"AAAA","kms_payloads":[{"provider":"privy","signature":"A"}]}',
        ["kms_payloads[0].address"] =
          '{"transaction":"AAAA","kms_payloads":[{"provider":"privy","signature":"AAAA","address":"x"}]}',
      } do
        local answer = call(server, path, body)
        assert.equal(400, answer.status)
        assert.equal(field, answer.value.details[1].field)
      end
    end)
  end)

  describe("are not changed by a signature", function()
    local function assert_wrong(prepared, signature)
      local answer = submit(session.address, prepared, signature)
      assert.equal(401, answer.status)
      assert.equal("invalid_signature", code_of(answer))
      assert.equal("wrong", server:last().signature)
      assert.equal(json.null, policies(session.address).time_lock)
    end

    it("by another session's key", function()
      local prepared, other = prepare(session), new_session()
      assert_wrong(prepared, sign(other, prepared))
    end)

    it("by the key that a refresh has replaced", function()
      local prepared = prepare(session)
      local request = client.request(session.kms_payload_json, pair.public_key)
      local refreshed = client.payload_of(call(server, client.REFRESH, request))
      assert_wrong(prepared, sign(session, prepared))
      local by_new_key = peer.sign(refreshed, pair, prepared.kms_payloads[1].payload)
      assert.equal(200, submit(session.address, prepared, by_new_key).status)
    end)

    it("over the payload as it came, over another payload, or not in DER", function()
      local prepared, other = prepare(session), prepare(session)
      local payload = prepared.kms_payloads[1].payload
      assert_wrong(prepared, peer.sign(session.kms_payload_json, pair, payload, "as it is"))
      assert_wrong(prepared, sign(session, other))
      assert_wrong(prepared, peer.sign(session.kms_payload_json, pair, payload, "ieee-p1363"))
      assert_wrong(prepared, "AAAA")
    end)

    it("of a session that has been revoked", function()
      local prepared = prepare(session)
      server:set { tier = "2" }
      local refreshed = client.payload_of(client.call(server, client.REFRESH,
        client.request(session.kms_payload_json, pair.public_key)))
      client.refresh(server, session.kms_payload_json)
      assert_wrong(prepared, peer.sign(refreshed, pair, prepared.kms_payloads[1].payload))
    end)

    it("by a key that has expired, which is told in the documented words", function()
      server:set { key_lifetime = -1 }
      session = new_session()
      local prepared = prepare(session)
      for _, shape in ipairs { "flat", "nested", "upstream" } do
        server:set { error_shape = shape }
        local answer = submit(session.address, prepared, sign(session, prepared))
        assert.equal(401, answer.status)
        assert.is_truthy(answer.body:find('"KeyQuorum user session key is expired"', 1, true))
        assert.equal("expired", server:last().signature)
      end
    end)

    it("by a key that is too fresh, until it no longer is", function()
      server:set { key_lag = 60 }
      local prepared = prepare(session)
      local signature = sign(session, prepared)
      local answer = submit(session.address, prepared, signature)
      assert.equal("invalid_signature", code_of(answer))
      assert.equal("fresh", server:last().signature)
      server:set { key_lag = 0 }
      assert.equal(200, submit(session.address, prepared, signature).status)
      assert.equal(2, server:executions("transaction", prepared.transaction))
    end)

    it("when there is none, or one too many", function()
      local prepared = prepare(session)
      local signed = { provider = "privy", signature = sign(session, prepared) }
      for _, list in ipairs { {}, { signed, signed } } do
        local answer = call(server, "/accounts/" .. session.address .. "/submit",
          json.encode { transaction = prepared.transaction, kms_payloads = json.array(list) })
        assert.equal("wrong_signature_count", code_of(answer))
      end
    end)
  end)

  describe("answer a change wrongly when told to", function()
    -- Where the address stands in the transaction: after one signature, the header and
    -- one signer's address.
    local function account_in(transaction)
      return peer.ask("account", { transaction = transaction }).address
    end

    it("soundly at first", function()
      assert.equal(session.address, account_in(prepare(session).transaction))
    end)

    it("for another account altogether", function()
      server:set { prepare = "other_account" }
      local prepared = prepare(session)
      assert.not_equal(session.address, account_in(prepared.transaction))
      assert.not_equal(session.signer, prepared.transaction_signers[1])
      assert.not_equal(session.signer, prepared.kms_payloads[1].address)
      assert.equal("transaction_of_another_account", code_of(submit(session.address, prepared, sign(session, prepared))))
    end)

    it("with another account's transaction for the session's own signer", function()
      server:set { prepare = "other_transaction" }
      local prepared = prepare(session)
      assert.not_equal(session.address, account_in(prepared.transaction))
      assert.equal(session.signer, prepared.kms_payloads[1].address)
    end)

    it("with a payload for a signer or a provider that the session has no key of", function()
      server:set { prepare = "other_signer" }
      local prepared = prepare(session)
      assert.equal(session.address, account_in(prepared.transaction))
      assert.not_equal(session.signer, prepared.kms_payloads[1].address)
      assert.equal("invalid_signature", code_of(submit(session.address, prepared, sign(session, prepared))))
      server:set { prepare = "other_provider" }
      assert.equal("turnkey", prepare(session).kms_payloads[1].provider)
    end)
  end)

  it("take faults for all addresses by the path's form", function()
    server:fault { kind = "status", status = 503, path = "/accounts/{address}/submit" }
    assert.equal(200, get(session.address).status)
    assert.equal(503, submit(session.address, { transaction = "AAAA" }, "AAAA").status)
  end)
end)

describe("the end of the service, in the sandbox,", function()
  local server

  setup(function() server = sandbox.share() end)
  teardown(function() server:stop() end)

  it("takes away all but five endpoints first, then all", function()
    local session = server:sessions()[1]
    local function statuses()
      local account = "/accounts/" .. session.address
      return {
        call(server, "/auth", '{"email":"ann@example.com"}').status,
        call(server, "/auth/verify", "{}").status,
        call(server, account, nil, { method = "GET" }).status,
        call(server, account, '{"time_lock":1}', { method = "PATCH" }).status,
        call(server, account .. "/submit", "{}").status,
        client.refresh(server, session.kms_payload_json).status,
        call(server, "/anything", "{}").status,
      }
    end
    assert.same({ 200, 400, 200, 200, 400, 200, 404 }, statuses())
    server:set { retired = "all_but_five" }
    assert.same({ 200, 400, 200, 200, 400, 410, 410 }, statuses())
    server:set { retired = "all" }
    assert.same({ 410, 410, 410, 410, 410, 410, 410 }, statuses())
    local answer = client.refresh(server, session.kms_payload_json)
    assert.equal("gone", code_of(answer))
    assert.equal("The Grid API has been retired. Accounts can be moved until 2027-02-05", answer.value.message)
  end)
end)
