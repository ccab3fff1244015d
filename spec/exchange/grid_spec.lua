-- Grid's exchange: what it sends for a client, what it makes of answers, and a session
-- that is renewed by it on the sandbox.

local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

local exchange = grid.exchange

describe("Grid's exchange", function()
  local http
  local server = rig.sandbox(function()
    if http then http:close() end
    http = nil
  end)

  local function made(options, client_options)
    local all = { client = rig.client(server, client_options) }
    for name, value in pairs(options or {}) do all[name] = value end
    return exchange.grid(all)
  end

  -- A grant as the keeper puts it together from the parts of an intent.
  local function grant_for(one, tokens, key)
    local grant, opener = one.grant(tokens)
    grant.refresh_token, grant.opener, grant.idempotency_key = tokens.refresh_token, opener, key or "key-1"
    return grant
  end

  -- The tokens of a new session with a new pair.
  local function session(one)
    local keys = grid.keypair()
    local tokens = assert(one.tokens { kms_payload = rig.session(server), private_key = keys:export(), address = "adr" })
    keys:close()
    return tokens
  end

  local function send(one, grant)
    http = http or grid.http.new { ca_file = one.transport.ca_file, retries = 0, timeout = 5 }
    local method, url, headers, body = one.request(grant)
    return assert(http:send { method = method, url = url, headers = headers, body = body })
  end

  it("sends what the client would send, once for each key", function()
    local one = made({}, { user_agent = "agent/1" })
    local tokens = session(one)
    local grant = grant_for(one, tokens, "key-7")
    local method, url, headers, body = one.request(grant)
    assert.same({ "POST", server.http .. "/api/grid/v1/auth/refresh-session" }, { method, url })
    local pair = grid.keypair(grant.opener)
    assert.equal(('{"encryption_public_key":"%s","kms_payload":%s}'):format(pair.public_key, tokens.refresh_token), body)
    pair:close()
    assert.same({
      Accept = "application/json", ["Content-Type"] = "application/json", Authorization = "Bearer " .. server.api_key,
      ["User-Agent"] = "agent/1", ["x-grid-environment"] = "sandbox", ["x-idempotency-key"] = "key-7",
    }, headers)
    assert.same({ method, url, headers, body }, { one.request(grant) })
  end)

  it("renews a session, and gives what opens its key", function()
    local one = made()
    local tokens = session(one)
    local grant = grant_for(one, tokens)
    local answer = send(one, grant)
    local new = assert(one.read(answer, grant))
    assert.same({ "adr", grant.opener }, { new.address, new.private_key })
    assert.equal(json.slice(answer.body, "data", "kms_payload") or json.slice(answer.body, "kms_payload"), new.refresh_token)
    assert.is_true(new.expires_at > os.time())
    local pair = grid.keypair(new.private_key)
    local auth = assert(pair:open(new.refresh_token))
    auth:close()
    pair:close()
    assert.are_not.equal(tokens.refresh_token, new.refresh_token)
    local next_grant = grant_for(one, new, "key-2")
    assert.are_not.equal(grant.opener, next_grant.opener)
    assert(one.read(send(one, next_grant), next_grant))
  end)

  local function read(one, grant, status, body)
    local tokens, failure = one.read({ status = status, headers = {}, body = body }, grant)
    assert.is_nil(tokens)
    assert.is_nil((failure.code .. failure.message):find("canary", 1, true))
    return failure
  end

  it("does not drop an answer that it cannot read or open: its kind is unknown", function()
    local one = made()
    local grant = grant_for(one, session(one))
    local answer = send(one, grant)
    local other = grant_for(one, session(one))
    local cases = {
      { grant, answer.body:sub(1, -2) }, { grant, "" }, { grant, "{}" }, { grant, "<html>" }, { other, answer.body },
    }
    for _, case in ipairs(cases) do
      local failure = read(one, case[1], 200, case[2])
      assert.same({ "unknown", 200 }, { failure.kind, failure.status })
    end
    assert.equal("not_opened", read(one, other, 200, answer.body).code)
    assert(one.read({ status = 200, headers = {}, body = answer.body }, grant))
  end)

  it("leaves no key to the collector", function()
    local one = made()
    local tokens = session(one)
    local file = { kms_payload = tokens.refresh_token, private_key = tokens.private_key }
    local grant = grant_for(one, tokens)
    local whole = send(one, grant).body
    collectgarbage()
    collectgarbage "stop"
    local before = core.live()
    assert(one.request(grant))
    assert(one.tokens(file))
    assert(one.read({ status = 200, headers = {}, body = whole }, grant))
    one.read({ status = 200, headers = {}, body = "{}" }, grant)
    one.read({ status = 200, headers = {}, body = whole }, grant_for(one, tokens))
    local after = core.live()
    collectgarbage "restart"
    assert.equal(before, after)
  end)

  it("ends the session by its codes for a refresh token, with 400 or 401 only", function()
    local one = made({}, { api_key = "canary-api-key" })
    local grant = grant_for(one, { refresh_token = '{"session":{"Privy":{"refresh_token":"canary-refresh-1"}}}' })
    local function refusal(status, code)
      return read(one, grant, status, json.encode {
        error = { code = code, message = "no canary-refresh-1 for canary-api-key" },
      })
    end
    for _, code in ipairs {
      "invalid_grant", "invalid_refresh_token", "refresh_token_expired", "refresh_token_reused", "session_revoked",
    } do
      assert.same({ kind = "reject", code = code, message = "no [redacted] for [redacted]", status = 401 }, refusal(401, code))
      assert.equal("reject", refusal(400, code).kind)
      for _, status in ipairs { 403, 404, 410, 422, 429, 503 } do assert.equal("refused", refusal(status, code).kind) end
      for _, status in ipairs { 408, 409, 500, 502, 504 } do assert.equal("unknown", refusal(status, code).kind) end
    end
    for _, code in ipairs { "invalid_api_key", "invalid_token", "validation_error" } do
      assert.equal("refused", refusal(401, code).kind)
    end
    assert.equal("unknown", read(one, grant, 302, "").kind)
  end)

  it("is refused by the sandbox once the token was spent", function()
    server:set { tier = "2", mode = "strict" }
    local one = made()
    local tokens = session(one)
    local grant, again = grant_for(one, tokens), grant_for(one, tokens, "key-2")
    assert(one.read(send(one, grant), grant))
    local new, failure = one.read(send(one, again), again)
    assert.is_nil(new)
    assert.same({ "reject", "refresh_token_reused", 401 }, { failure.kind, failure.code, failure.status })
  end)

  it("cannot make a request without a key, or of a session that it may not send", function()
    local one = made({}, { api_key = "" })
    local method, err = one.request(grant_for(one, { refresh_token = "{}" }))
    assert.is_nil(method)
    rig.assert_error(err, { kind = "request", code = "no_api_key", sent = "no" })
    local bad
    method, bad = made().request { refresh_token = "{}", opener = "no key", idempotency_key = "k" }
    assert.is_nil(method)
    rig.assert_error(bad, { kind = "crypto", sent = "no" })
  end)

  it("takes a session file, as a table or as text, and nothing less", function()
    local one = made()
    local keys = grid.keypair()
    local file = { kms_payload = rig.session(server), private_key = keys:export(), saved_at = "x" }
    keys:close()
    local tokens = assert(one.tokens(file))
    assert.same({ file.kms_payload, file.private_key }, { tokens.refresh_token, tokens.private_key })
    assert.is_true(tokens.expires_at > os.time())
    local text = ('{"kms_payload":%s,"private_key":"%s"}'):format(file.kms_payload, file.private_key)
    assert.same(tokens, one.tokens(text))
    assert.same(tokens, one.tokens("\239\187\191" .. text))
    local decoded = assert(one.tokens { kms_payload = json.decode(file.kms_payload), private_key = file.private_key })
    assert.same(json.decode(file.kms_payload), json.decode(decoded.refresh_token))
    for _, bad in ipairs {
      "no JSON", "[]", { private_key = file.private_key }, { kms_payload = "{}", private_key = file.private_key },
      { kms_payload = file.kms_payload }, { kms_payload = file.kms_payload, private_key = "canary" },
    } do
      local none, problem = one.tokens(bad)
      assert.is_nil(none)
      assert.is_nil(problem:find "canary")
    end
  end)

  it("shows no secret, and hands on how the client connects", function()
    local one = made({}, { api_key = "canary", proxy = "", http_version = "1.1" })
    assert.equal("grid.exchange: grid, " .. server.http .. "/api/grid/v1", tostring(one))
    assert.same({ "grid", "strict", "", "1.1", server.ca }, {
      one.name, one.reuse, one.transport.proxy, one.transport.http_version, one.transport.ca_file,
    })
    for name, value in pairs(one) do assert.is_nil((name .. tostring(value)):find "canary") end
  end)

  it("raises at the caller's line where a grant or an answer is wrong", function()
    local one = made()
    rig.assert_misuse(function() one.request() end, "exchange.request", "the grant must be a table, got nil")
    rig.assert_misuse(function() one.request { opener = "x" } end, "field 'refresh_token' is missing")
    rig.assert_misuse(function() one.read("{}", {}) end, "exchange.read", "the answer must be a table, got string")
    rig.assert_misuse(function() one.read({ status = 200, headers = {} }, {}) end, "field 'body' is missing")
  end)

  it("raises at the caller's line where an option is wrong", function()
    local client = rig.client(server)
    local function misuse(options, ...)
      rig.assert_misuse(function() exchange.grid(options) end, "grid.exchange.grid", ...)
    end
    misuse(nil, "must be a table")
    misuse({}, "'client' is missing")
    misuse({ client = {} }, "a client of grid.new")
    misuse({ client = client, re_use = "strict" }, "did you mean 'reuse'?")
    misuse({ client = client, reuse = "never" }, "one of strict, grace, idempotent")
    misuse({ client = client, reuse = "grace" }, "'reuse_seconds' is missing")
    misuse({ client = client, reuse_seconds = 5 }, "'reuse_seconds' is not used")
    local one = made { reuse = "grace", reuse_seconds = 5 }
    assert.same({ "grace", 5 }, { one.reuse, one.reuse_seconds })
  end)
end)
