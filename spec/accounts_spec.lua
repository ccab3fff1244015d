-- Tests of accounts: from a prepared transaction to a submitted one, against the sandbox,
-- which checks signatures with code of its own.

local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

describe("an account", function()
  local client, pair, session, auth
  local server = rig.sandbox(function()
    pair:close()
    auth:close()
  end)

  before_each(function()
    client, pair = rig.client(server), grid.keypair()
    session = server:sessions({ encryption_public_key = pair.public_key })[1]
    auth = assert(pair:open(session.kms_payload_json))
  end)

  local function prepare(changes)
    return assert(client:update_account(session.address, changes or { threshold = 1 })).data
  end

  it("is read", function()
    local res = assert(client:get_account(session.address))
    assert.equal(session.address, res.data.address)
    assert.equal("number", type(res.data.policies.threshold))
    assert.equal("GET", server:last().method)
  end)

  it("is named in the path as it should be, whatever the address holds", function()
    client:get_account "a/b ?c"
    assert.equal("/accounts/a/b ?c", server:last().path) -- as nginx understood it: no part of it was a query
  end)

  it("is changed by a prepared, signed and submitted transaction", function()
    local prepared = prepare { time_lock = 60 }
    local signed = assert(client:sign(prepared, auth))
    assert.equal(prepared.transaction, signed.transaction)
    assert.equal(#prepared.kms_payloads, #signed.kms_payloads)
    local res = assert(client:submit(session.address, signed))
    assert.equal("string", type(res.data.transaction_signature))
    assert.equal("fine", server:last().signature)
    assert.equal(60, assert(client:get_account(session.address)).data.policies.time_lock)
  end)

  it("is changed in one call by sign_and_submit", function()
    assert(client:sign_and_submit(session.address, prepare(), auth))
    assert.equal("fine", server:last().signature)
  end)

  it("has an empty list sent as a list, and the caller's tables left alone", function()
    local changes = { transaction_signers = {} }
    client:update_account(session.address, changes, { admin = true })
    local last = server:last()
    assert.equal('{"transaction_signers":[]}', last.body)
    assert.is_nil(getmetatable(changes.transaction_signers))
  end)

  it("takes an idempotency key for each change", function()
    assert(client:update_account(session.address, { threshold = 1 }, { admin = true, idempotency_key = "my-key" }))
    assert.equal("my-key", server:last().headers["x-idempotency-key"])
  end)

  it("is misused by name and field", function()
    rig.assert_misuse(function() client:get_account() end, "get_account", "address")
    rig.assert_misuse(function() client:get_account "" end, "address")
    for _, address in ipairs { "..", ".", "a/../b", "%2e%2E", "../../../etc" } do
      rig.assert_misuse(function() client:get_account(address) end, "client:get_account: 'address' must be")
      rig.assert_misuse(function() client:submit(address, { transaction = "x", kms_payloads = {} }) end, "'address' must be")
    end
    rig.assert_misuse(function() client:update_account(session.address, { threshold = 1 }, { admn = true }) end,
      "client:update_account: unknown field 'admn', did you mean 'admin'?")
    rig.assert_misuse(function() client:update_account(session.address, { threshold = 1 }, true) end,
      "client:update_account: the options must be a table, got boolean")
    rig.assert_misuse(function() client:update_account(session.address, true) end, "the changes must be a table, got boolean")
    rig.assert_misuse(function() client:update_account(session.address, { treshold = 1 }) end, "did you mean 'threshold'")
    rig.assert_misuse(function() client:update_account(session.address, {}) end, "'changes' is empty")
    rig.assert_misuse(function() client:update_account(session.address, { threshold = 1 }, { admin = 1 }) end, "admin")
    rig.assert_misuse(function() client:submit(session.address, {}) end, "missing")
    rig.assert_misuse(function() client:sign({}, pair) end, "grid.authorization_key")
    rig.assert_misuse(function() client:sign("x", auth) end, "prepared transaction")
  end)

  it("signs nothing for a signer that the session does not hold, and names it", function()
    server:set { prepare = "other_signer" }
    local prepared = prepare()
    local signed, err = client:sign(prepared, auth)
    assert.is_nil(signed)
    rig.assert_error(err, { kind = "crypto", code = "unknown_signer", sent = "no" })
    assert.is_truthy(err.message:find(prepared.kms_payloads[1].address, 1, true))
    server:set { prepare = "other_provider" }
    signed, err = client:sign(prepare(), auth)
    assert.is_nil(signed)
    rig.assert_error(err, { kind = "crypto", code = "unknown_signer" })
  end)

  it("names a foreign signer on one line, and takes null for nothing", function()
    server:set { prepare = "sound" }
    local prepared = prepare()
    local payload = prepared.kms_payloads[1]
    payload.provider = "a\nb" .. ("c"):rep(2000)
    local _, err = client:sign(prepared, auth)
    rig.assert_error(err, { kind = "crypto", code = "unknown_signer" })
    assert.is_nil(err.message:find "\n")
    assert.is_true(#err.message < 400)
    payload.provider, payload.address = "turnkey", grid.null
    assert.matches("^a signer belongs to provider turnkey", select(2, client:sign(prepared, auth)).message)
    payload.provider, payload.address = grid.null, grid.null
    assert.equal(1, #assert(client:sign(prepared, auth)).kms_payloads)
  end)

  it("reads views of tables, and refuses one within, which would be sent as an empty list", function()
    local function view(of) return setmetatable({}, { __index = of, __newindex = error }) end
    client:update_account(session.address, view { transaction_signers = {} })
    assert.equal('{"transaction_signers":[]}', server:last().body)
    local requests, signers, payloads = server:stats().requests, view { { address = "a" } }, view { { signature = "AA==" } }
    for _, action in ipairs {
      function() return client:update_account(session.address, { signers = signers }) end,
      function() return client:submit(session.address, { transaction = "AA==", kms_payloads = payloads }) end,
    } do
      local res, err = action()
      assert.is_nil(res)
      rig.assert_error(err, { kind = "request", code = "bad_value", sent = "no" })
      assert.matches("give a copy", err.message)
    end
    assert.equal(requests, server:stats().requests)
  end)

  it("signs nothing where there is nothing to sign", function()
    local _, err = client:sign({ transaction = "AA==", kms_payloads = {} }, auth)
    rig.assert_error(err, { kind = "request", code = "nothing_to_sign" })
    _, err = client:sign({ kms_payloads = {} }, auth)
    rig.assert_error(err, { kind = "request", code = "bad_transaction" })
  end)

  it("that knows a key only after a moment gets the same signed bytes once more", function()
    server:set { key_lag = 0.6 }
    session = server:sessions({ encryption_public_key = pair.public_key })[1]
    local fresh = assert(pair:open(session.kms_payload_json))
    local prepared = prepare()
    local res = assert(client:sign_and_submit(session.address, prepared, fresh))
    assert.equal(2, res.attempts)
    local bodies, keys = {}, {}
    for _, request in ipairs(server:control("GET", "/requests")) do
      if request.path:find "/submit$" then
        bodies[#bodies + 1], keys[#keys + 1] = request.body, request.headers["x-idempotency-key"]
      end
    end
    assert.equal(2, #bodies)
    assert.equal(bodies[1], bodies[2])
    assert.equal(keys[1], keys[2])
    fresh:close()
  end)

  it("gets a refused transaction once only from a key that is not fresh, and from submit", function()
    server:set { key_lag = 100 }
    session = server:sessions({ encryption_public_key = pair.public_key })[1]
    local old = assert(pair:open(session.kms_payload_json))
    old.opened_at = old.opened_at - 10
    local prepared = prepare()
    local res, err = client:sign_and_submit(session.address, prepared, old)
    assert.is_nil(res)
    rig.assert_error(err, { kind = "auth", attempts = 1 })
    old.opened_at = old.opened_at + 10
    res, err = client:submit(session.address, assert(client:sign(prepared, old)))
    assert.is_nil(res)
    rig.assert_error(err, { kind = "auth", attempts = 1 })
    old:close()
  end)

  it("gets nothing twice after an unknown outcome, unless the caller says so", function()
    server:set { mode = "idempotent" }
    local eager = rig.client(server, { retries = 2 })
    local prepared = prepare()
    local signed = assert(eager:sign(prepared, auth)) -- once: no two signatures are alike
    server:fault { kind = "drop", execute = true, path = "/accounts/{address}/submit" }
    local res, err = eager:submit(session.address, signed)
    assert.is_nil(res)
    rig.assert_error(err, { kind = "network", sent = "unknown", attempts = 1, retryable = false })
    assert.equal(1, server:executions("transaction", prepared.transaction))
    res = assert(eager:submit(session.address, signed, { idempotency_key = err.idempotency_key }))
    assert.equal("string", type(res.data.transaction_signature))
    assert.equal(1, server:executions("transaction", prepared.transaction))
    eager:close()
  end)

  it("refuses a key that has expired, in the documented words", function()
    server:set { key_lifetime = 1 }
    session = server:sessions({ encryption_public_key = pair.public_key })[1]
    local expired = assert(pair:open(session.kms_payload_json))
    expired.opened_at = expired.opened_at - 10
    local prepared = prepare()
    os.execute "sleep 1.2"
    local _, err = client:sign_and_submit(session.address, prepared, expired)
    assert.is_true(grid.is_error(err))
    assert.is_truthy(err.message:find("KeyQuorum user session key is expired", 1, true))
    expired:close()
  end)

  it("stays reachable when all but five endpoints are switched off", function()
    server:set { retired = "all_but_five" }
    local _, err = client:refresh_session(rig.request(server, session.kms_payload_json))
    rig.assert_error(err, { kind = "retired", status = 410, sent = "yes", retryable = false, attempts = 1 })
    assert(client:get_account(session.address))
    assert(client:sign_and_submit(session.address, prepare(), auth))
    assert(client:init_auth { email = "ann@example.com" })
  end)

  it("is `protocol` where the answer lacks what the call is for, and the answer is kept", function()
    for _, case in ipairs {
      { "{}", function() return client:update_account(session.address, { threshold = 1 }) end },
      { '{"data":{"transaction":"x","kms_payloads":[{}]}}', function()
        return client:update_account(session.address, { threshold = 1 })
      end },
      { '{"data":{}}', function() return client:submit(session.address, { transaction = "x", kms_payloads = { { a = 1 } } }) end },
      { '{"data":7}', function() return client:get_account(session.address) end },
    } do
      server:fault { kind = "body", body = case[1] }
      local res, err = case[2]()
      assert.is_nil(res)
      rig.assert_error(err, { kind = "protocol", code = "bad_answer", sent = "yes" })
      assert.equal(case[1], err.body)
    end
  end)

  it("never shows a signature that the service echoes", function()
    local signed = assert(client:sign(prepare(), auth))
    server:fault { kind = "status", status = 400, message = "no: " .. signed.kms_payloads[1].signature }
    local _, err = client:submit(session.address, signed)
    assert.is_nil(tostring(err):find(signed.kms_payloads[1].signature, 1, true))
    assert.is_nil(json.encode(err.details or {}):find(signed.kms_payloads[1].signature, 1, true))
  end)
end)
