-- The keeper with each kind of exchange: OAuth 2.0 with DPoP, with metadata, with
-- revocation; a program's own; Grid.

local core = require "grid.core"
local grid = require "grid"
local raw_rig = require "spec.support.rig"
local rig = require "spec.keeper.keeper_rig"

local unpack = table.unpack or unpack
local server, keeper, events

before_each(function()
  rig.begin()
  server = rig.server()
end)

after_each(function()
  rig.close(keeper, server)
  keeper, server, events = nil, nil, nil
  rig.finish()
end)

local function start(options, given)
  local all = { exchange = rig.exchange(server, options) }
  for name, value in pairs(given or {}) do all[name] = value end
  keeper, events = rig.keeper(server, all)
  assert(keeper:add("me", rig.TOKENS))
end

-- The exchange knows the issuer, and no endpoint. -> the issuer's metadata
local function start_with_issuer()
  local issuer = server.url:gsub("/token$", "")
  start { token_url = false, issuer = issuer }
  return ('{"issuer":"%s","token_endpoint":"%s"}'):format(issuer, server.url)
end

describe("the keeper, with an OAuth 2.0 exchange,", function()
  it("answers the demand for a DPoP nonce once, within the same attempt", function()
    start { dpop = true }
    server.faults[1] = function() return rig.response(400, '{"error":"use_dpop_nonce"}', "DPoP-Nonce: n1\r\n") end
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal(2, #server.raw.requests)
    assert.equal("added refreshed", rig.names(events))
    for i = 1, 2 do
      server.faults[i] = function() return rig.response(400, '{"error":"use_dpop_nonce"}', "DPoP-Nonce: n2\r\n") end
    end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "use_dpop_nonce" })
    assert.equal(4, #server.raw.requests)
  end)

  it("sends once where the outcome is unknown, though the answer has a nonce", function()
    start { dpop = true }
    server.faults[1] = function() return rig.response(500, '{"error":"use_dpop_nonce"}', "DPoP-Nonce: n1\r\n") end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "use_dpop_nonce", outcome = "unknown" })
    assert.equal(1, #server.raw.requests)
    assert.is_true(assert(keeper:status "me").suspended)
  end)

  it("reads an answer behind a byte order mark, that of the metadata, too", function()
    local metadata = start_with_issuer()
    server.faults[1] = function() return rig.response(200, "\239\187\191" .. metadata) end
    server.faults[2] = function() return rig.response(200, '\239\187\191{"access_token":"a","team":"t"}') end
    local session = assert(keeper:refresh "me")
    assert.same({ "a", "t" }, { session.access_token, session.data.team })
  end)

  it("tells the outcome by which it goes on: a refusal may have the status 200, and 409 is none", function()
    start()
    server.faults[1] = function() return rig.response(200, '{"error":"bad_refresh_token"}') end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "bad_refresh_token", outcome = "none" })
    assert.is_false(assert(keeper:status "me").suspended)
    rig.pass(5)
    server.faults[1] = function() return rig.response(409, '{"error":"busy"}') end
    _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "busy", outcome = "unknown" })
    assert.is_true(assert(keeper:status "me").suspended)
  end)

  it("tells a refused refresh by the kind of its status, and as retryable only what executed nothing", function()
    start()
    for _, case in ipairs {
      { 302, "", "protocol", "unknown" }, { 200, "<html>", "protocol", "unknown" }, { 200, '{"error":"odd"}', "api", "none" },
      { 401, '{"error":"invalid_client"}', "auth", "final" }, { 403, "", "auth", "final" }, { 404, "", "api", "final" },
      { 410, "", "retired", "final" }, { 429, "", "rate_limit", "none" }, { 503, "", "api", "none" }, { 500, "", "api", "unknown" },
    } do
      local status, body, kind, outcome = unpack(case)
      assert(keeper:add("me", rig.TOKENS, { replace = true }))
      server.faults[1] = function() return rig.response(status, body, "X-Trace: t1\r\n") end
      local _, err = keeper:refresh "me"
      raw_rig.assert_error(err, { status = status, kind = kind, sent = "yes", outcome = outcome, retryable = outcome == "none" })
      assert.equal("t1", err.headers["x-trace"])
    end
  end)

  it("fetches the metadata of an issuer once, before the first request", function()
    local metadata = start_with_issuer()
    server.faults[1] = function() return rig.response(503, "") end
    server.faults[2] = function() return rig.response(200, metadata) end
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal("access-2", assert(keeper:refresh "me").access_token)
    assert.equal(4, #server.raw.requests)
  end)

  it("sends nothing while the metadata cannot be had, and does not doubt", function()
    start_with_issuer()
    for i = 1, 2 do server.faults[i] = function() return rig.response(404, "") end end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "request", code = "metadata_http_404", outcome = "none" })
    local status = assert(keeper:status "me")
    assert.same({ false, 1, "metadata_http_404" }, { status.suspended, status.failures, status.last_error })
    assert.equal(0, server.executions)
  end)

  it("keeps the refresh token that an answer leaves out", function()
    start()
    server.faults[1] = function() return rig.response(200, '{"access_token":"access-x","expires_in":60}') end
    assert.equal("access-x", assert(keeper:refresh "me").access_token)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
  end)

  it("revokes the refresh token of a removed session, and tells where that failed", function()
    start { revocation_url = server.url .. "/revoke" }
    server.faults[1] = function() return rig.response(200, "") end
    assert.is_true(keeper:remove("me", { revoke = true }))
    assert.is_truthy(server.raw.requests[1]:find("token=refresh%-0"))
    assert(keeper:add("me", rig.TOKENS))
    server.faults[1] = function() return rig.response(500, "") end
    local ok, err = keeper:remove("me", { revoke = true })
    assert.is_nil(ok)
    raw_rig.assert_error(err, { code = "not_revoked", status = 500, outcome = "unknown", retryable = false })
    assert.same({}, keeper:list())
  end)

  it("tells that a session was removed also where its revocation was not sent", function()
    start { revocation_url = "http://127.0.0.1:1/revoke" }
    local ok, err = keeper:remove("me", { revoke = true })
    assert.is_nil(ok)
    raw_rig.assert_error(err, { kind = "network", code = "not_revoked", outcome = "none", retryable = false })
    assert.matches("the session 'me' was removed, but .* not revoked: .* %(connect_failed%)", err.message)
    assert.equal("network", err.cause.kind)
    assert.same({}, keeper:list())
  end)

  it("revokes by an assertion with the time of the server", function()
    local pair = grid.keypair()
    start {
      revocation_url = server.url .. "/revoke", client_auth = "private_key_jwt", client_secret = false, private_key = pair:export(),
    }
    pair:close()
    local late = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() + 3600)
    server.faults[1] = function() return rig.response(401, '{"error":"invalid_client"}', ("Date: %s\r\n"):format(late)) end
    assert.is_nil(keeper:refresh "me")
    server.faults[1] = function() return rig.response(200, "") end
    assert.is_true(keeper:remove("me", { revoke = true }))
    local claims = server.raw.requests[2]:match "client_assertion=[%w_-]+%.([%w_-]+)%."
    local issued = tonumber(core.base64url_decode(claims):match '"iat":(%d+)')
    assert.is_true(math.abs(issued - os.time() - 3600) <= 5)
  end)

  it("believes the Retry-After of an issuer's metadata, at whichever URL", function()
    start_with_issuer()
    for _, statuses in ipairs { { 503, 404 }, { 404, 503 } } do
      for i, status in ipairs(statuses) do
        server.faults[i] = function() return rig.response(status, "", status == 503 and "Retry-After: 120\r\n" or nil) end
      end
      local _, err = keeper:refresh "me"
      raw_rig.assert_error(err, { code = "metadata_http_503", retry_after = 120 })
      assert.is_true(assert(keeper:status "me").backoff_until >= os.time() + 118)
      rig.pass(200)
    end
  end)

  it("counts the life of a session from the sending, and believes its server's Retry-After", function()
    start()
    server.faults[1] = function() return rig.response(429, "", "Retry-After: 120\r\n") end
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "rate_limit", status = 429 })
    local status = assert(keeper:status "me")
    assert.is_true(status.backoff_until >= os.time() + 118)
    _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "backing_off", retryable = true })
    assert.equal(1, #server.raw.requests)
    rig.pass(122)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
  end)
end)

describe("the keeper, with an exchange of the program,", function()
  local function own(changes)
    local exchange = {
      name = "own",
      request = function(grant) return "POST", server.url, {}, "refresh_token=" .. grant.refresh_token end,
      read = function(answer)
        local access, refresh = answer.body:match '"access_token":"([^"]+)","refresh_token":"([^"]+)"'
        if not access then return nil, { kind = "refused", code = "no" } end
        return { access_token = access, refresh_token = refresh, expires_in = 60, region = "eu" }
      end,
    }
    for name, value in pairs(changes or {}) do exchange[name] = value end
    return exchange
  end

  it("needs two functions of it only, and gives further tokens as fields", function()
    start(nil, { exchange = own() })
    local session = assert(keeper:refresh "me")
    assert.same({ "access-1", "eu", 2 }, { session.access_token, session.region, session.generation })
  end)

  it("takes what it raises for a failure, and sends nothing without a request", function()
    start(nil, { exchange = own { request = function() error "canary" end } })
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "request", code = "exchange_failed", outcome = "none" })
    assert.is_nil(tostring(err):find "canary")
    keeper.exchange.request = function() return nil end
    rig.pass(5)
    _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "request", code = "no_request", outcome = "none" })
    keeper.exchange.request = function() return "POST", "ftp://x", {}, "" end
    rig.pass(10)
    _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { kind = "request", code = "bad_request", outcome = "none" })
    assert.truthy(err.message:find "^exchange.request: 'url' must be ")
    keeper.exchange.grant = function() error "canary" end
    assert(keeper:add("new", rig.TOKENS))
    _, err = keeper:refresh "new"
    raw_rig.assert_error(err, { kind = "request", code = "no_grant", message = "the exchange gave no grant" })
    assert.equal(0, #server.raw.requests)
  end)

  it("saves an answer that it fails to read", function()
    start(nil, { exchange = own { read = function() error "canary" end } })
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "exchange_failed" })
    keeper.exchange.read = own().read
    rig.pass(20)
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    assert.equal(1, server.executions)
  end)

  it("saves an answer that it changes while it reads it, whether it gives tokens or none", function()
    local function emptied(value)
      for name, field in pairs(value) do
        if type(field) == "table" then emptied(field) end
        value[name] = nil
      end
    end
    local read = own().read
    start(nil, { exchange = own { read = function(answer, grant)
      local tokens = read(answer, grant)
      emptied(answer)
      emptied(grant)
      return tokens
    end } })
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
    keeper.exchange.read = emptied
    raw_rig.assert_error(select(2, keeper:refresh "me"), { code = "exchange_failed" })
    keeper.exchange.read = read
    rig.pass(20)
    assert.equal("access-2", assert(keeper:refresh "me").access_token)
    assert.equal(2, server.executions)
  end)

  it("saves an answer whose tokens raise when they are read", function()
    local raising = setmetatable({}, { __index = function() error "canary" end })
    start(nil, { exchange = own { read = function() return raising end } })
    local _, err = keeper:refresh "me"
    raw_rig.assert_error(err, { code = "exchange_failed" })
    assert.is_true(assert(keeper:status "me").suspended)
  end)

  it("has executed nothing where it fails to read the metadata", function()
    local said = {}
    start(nil, { exchange = own { discovery = { urls = { server.url }, read = function() return said.read() end } } })
    local function metadata() return rig.response(200, "") end
    for i, read in ipairs {
      function() error "canary" end, function() end, function() return nil, "text" end, function() return nil, { kind = 1 } end,
    } do
      said.read, server.faults[1] = read, metadata
      local _, err = keeper:refresh "me"
      raw_rig.assert_error(err, { code = "exchange_failed", outcome = "none" })
      assert.is_false(assert(keeper:status "me").suspended)
      assert.equal(i, #server.raw.requests)
      rig.pass(100)
    end
    said.read, server.faults[1] = function() return true end, metadata
    assert.equal("access-1", assert(keeper:refresh "me").access_token)
  end)

  it("doubts the outcome of a failure whose kind is none, and sends once", function()
    start(nil, { exchange = own() })
    for count, kind in ipairs { "tokens", "unreadable", "Rejected", "unknown" } do
      keeper.exchange.read = function() return nil, { kind = kind, code = "c", nonce = "n" } end
      server.faults[1] = function() return rig.response(400, "") end
      local _, err = keeper:refresh "me"
      raw_rig.assert_error(err, { code = kind == "unknown" and "c" or "exchange_failed", status = 400, outcome = "unknown" })
      assert.is_true(assert(keeper:status "me").suspended)
      assert.equal(count, #server.raw.requests)
      rig.pass(100)
    end
  end)

  it("raises for a field that is none, since a wrong `reuse` costs sessions", function()
    local store = require("grid").store.memory()
    local wrong = {
      reuse = "Idempotent", reuse_seconds = "60", name = {}, transport = "x", discovery = true, tokens = true, grant = 1,
      revoke = "x",
    }
    for name, value in pairs(wrong) do
      raw_rig.assert_misuse(function() require("grid").keeper { exchange = own { [name] = value }, store = store } end, name)
    end
    local function read() end
    for _, value in ipairs { {}, { urls = {} }, { read = read }, { urls = "x", read = read }, { urls = { 1 }, read = read } } do
      raw_rig.assert_misuse(function() require("grid").keeper { exchange = own { discovery = value }, store = store } end, "urls")
    end
    raw_rig.assert_misuse(function()
      require("grid").keeper { exchange = own { reuse = "grace" }, store = store }
    end, "reuse_seconds")
  end)

  it("gives the tokens of a login as an exchange of the library does", function()
    start(nil, { exchange = own() })
    local session = assert(keeper:add("text", '\239\187\191{"access_token":"a","refresh_token":"r","team":"t"}'))
    assert.same({ "a", "t" }, { session.access_token, session.data.team })
    assert.equal("a", assert(keeper:add("list", { "x", access_token = "a", refresh_token = "r" })).access_token)
    local function fails() error "canary" end
    local function text() return "text" end
    local function spent() return { access_token = "a" } end
    local function many()
      local tokens = { refresh_token = "r" }
      for i = 1, 1000 do tokens["text_" .. i] = "t" end
      return tokens
    end
    for _, tokens in ipairs { fails, text, spent, many } do
      keeper.exchange.tokens = tokens
      local _, err = keeper:add("bad", rig.TOKENS)
      raw_rig.assert_error(err, { kind = "request", code = "bad_tokens" })
      assert.is_nil(tostring(err):find "canary")
    end
  end)
end)

describe("the keeper, closed,", function()
  it("raises, also for a session that is fresh", function()
    start()
    assert(keeper:get "me")
    keeper:close()
    raw_rig.assert_misuse(function() keeper:get "me" end, "closed")
  end)
end)
