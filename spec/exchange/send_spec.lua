-- Exchanges through grid.http: one refresh for each way in which a client authenticates,
-- as an authorization server sees it, and the result of its answer.

local core = require "grid.core"
local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"
local verify = require "spec.exchange.verify"

local exchange = grid.exchange

local KEY = core.key_new()
local PUBLIC, PRIVATE = KEY:public_key(), KEY:export()
KEY:close()

local function response(status, value, headers)
  local body = json.encode(value)
  return ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, headers or "", #body, body)
end

local TOKENS = { access_token = "a2", refresh_token = "r2", expires_in = 60, token_type = "Bearer" }

describe("a refresh through grid.http", function()
  local raw, http

  before_each(rig.mark)
  after_each(function()
    if http then http:close() end
    if raw then raw.close() end
    raw, http = nil, nil
    rig.assert_nothing_left()
  end)

  local function start(answers)
    raw = rig.raw_server(function(count) return answers[count] end)
    http = grid.http.new { host = raw.host, retries = 0, timeout = 5 }
  end

  -- An exchange with the server.
  local function made(options)
    local all = { token_url = raw.url .. "/token", client_id = "app" }
    for name, value in pairs(options) do all[name] = value end
    return exchange.oauth2(all)
  end

  -- Sends what the exchange asks for. -> what it reads, and the request as it arrived
  local function refresh(one, grant)
    local method, url, headers, body = one.request(grant)
    local answer = assert(http:send { method = method, url = url, headers = headers, body = body })
    local arrived = { headers = {} }
    local request = raw.requests[#raw.requests]
    local head, form = request:match "^(.-)\r\n\r\n(.*)$"
    for name, value in head:gmatch "\r\n([^:]+): ([^\r]*)" do arrived.headers[name:lower()] = value end
    arrived.line, arrived.form = request:match "^[^\r]*", verify.form(form)
    return arrived, one.read(answer, grant)
  end

  local function assert_refreshed(arrived, tokens, form)
    assert.same(TOKENS, tokens)
    assert.equal("POST /token HTTP/1.1", arrived.line)
    assert.equal("application/x-www-form-urlencoded", arrived.headers["content-type"])
    form.grant_type, form.refresh_token = "refresh_token", "r&1"
    assert.same(form, arrived.form)
    assert.equal(1, #raw.requests)
  end

  it("authenticates by basic", function()
    start { response(200, TOKENS) }
    local arrived, tokens = refresh(made { client_secret = "s" }, { refresh_token = "r&1", scope = "x" })
    assert.equal("Basic YXBwOnM=", arrived.headers.authorization)
    assert_refreshed(arrived, tokens, { scope = "x" })
  end)

  it("authenticates by post", function()
    start { response(200, TOKENS) }
    local one = made { client_auth = "post", client_secret = "s" }
    local arrived, tokens = refresh(one, { refresh_token = "r&1" })
    assert.is_nil(arrived.headers.authorization)
    assert_refreshed(arrived, tokens, { client_id = "app", client_secret = "s" })
  end)

  it("names a public client", function()
    start { response(200, TOKENS) }
    local arrived, tokens = refresh(made { client_auth = "none" }, { refresh_token = "r&1" })
    assert.is_nil(arrived.headers.authorization)
    assert_refreshed(arrived, tokens, { client_id = "app" })
  end)

  it("authenticates by private_key_jwt", function()
    start { response(200, TOKENS) }
    local one = made { client_auth = "private_key_jwt", private_key = PRIVATE, key_id = "k" }
    local arrived, tokens = refresh(one, { refresh_token = "r&1" })
    local assertion = arrived.form.client_assertion
    local _, claims = verify.jws(assertion, PUBLIC)
    assert.equal(raw.url .. "/token", claims.aud)
    assert.is_true(math.abs(claims.iat - os.time()) < 3600)
    assert_refreshed(arrived, tokens, {
      client_id = "app", client_assertion = assertion,
      client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    })
  end)

  it("sends a proof with the nonce that the server has asked for", function()
    start {
      response(400, { error = "use_dpop_nonce" }, "DPoP-Nonce: n1\r\n"), response(200, TOKENS, "DPoP-Nonce: n2\r\n"),
    }
    local one = made { client_auth = "none", dpop = true }
    local grant = one.grant { dpop_key = PRIVATE }
    grant.refresh_token = "r&1"
    local arrived, tokens, failure = refresh(one, grant)
    assert.is_nil(tokens)
    assert.same({ "refused", "n1" }, { failure.kind, failure.nonce })
    local _, first = verify.jws(arrived.headers.dpop, PUBLIC)
    assert.is_nil(first.nonce)
    arrived, tokens = refresh(one, grant)
    local _, second = verify.jws(arrived.headers.dpop, PUBLIC)
    assert.same({ "n1", "POST", raw.url .. "/token" }, { second.nonce, second.htm, second.htu })
    assert.are_not.equal(first.jti, second.jti)
    assert.same(TOKENS, tokens)
  end)

  it("tells why it was refused, without what was sent", function()
    local said = { error = "invalid_grant", error_description = "canary-refresh-1 was spent" }
    start { response(400, said), response(400, said) }
    local one = made { client_secret = "canary-secret-1" }
    local _, tokens, failure = refresh(one, { refresh_token = "canary-refresh-1" })
    assert.is_nil(tokens)
    assert.same({ kind = "reject", code = "invalid_grant", message = "[redacted] was spent", status = 400 }, failure)
  end)

  it("finds its address by the metadata of the issuer", function()
    raw = rig.raw_server(function(count)
      if count == 1 then return response(404, {}) end
      if count == 2 then return response(200, { issuer = raw.url, token_endpoint = raw.url .. "/token" }) end
      return response(200, TOKENS)
    end)
    http = grid.http.new { host = raw.host, retries = 0, timeout = 5 }
    local one = exchange.oauth2 { issuer = raw.url, client_id = "app", client_auth = "none" }
    local tried = {}
    for _, url in ipairs(one.discovery.urls) do
      tried[#tried + 1] = one.discovery.read(assert(http:send { method = "GET", url = url })) or false
    end
    assert.same({ false, true }, tried)
    local arrived, tokens = refresh(one, { refresh_token = "r&1" })
    assert.same({ "POST /token HTTP/1.1", TOKENS }, { arrived.line, tokens })
  end)
end)
