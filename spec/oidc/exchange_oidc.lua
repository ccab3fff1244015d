-- The OAuth 2.0 exchange with npm's oidc-provider: each way of authentication, rotation,
-- reuse of a spent token, DPoP with nonces, metadata, revocation. Run by `make oidc`.

local core = require "grid.core"
local encoding = require "grid.exchange.encoding"
local grid = require "grid"
local json = require "grid.json"

local exchange = grid.exchange

local function jwk_of(key)
  local der = encoding.base64_bytes(key:public_key())
  return {
    kty = "EC", crv = "P-256", alg = "ES256", kid = "key-1",
    x = core.base64url_encode(der:sub(-64, -33)), y = core.base64url_encode(der:sub(-32)),
  }
end

local KEY = core.key_new()
local SECRET = "a secret: +/%&"
local AUTH = {
  basic = { client_secret = SECRET }, post = { client_secret = SECRET }, none = {},
  private_key_jwt = { private_key = KEY:export(), key_id = "key-1" },
}

-- The server reads from a named pipe, since io.popen has one direction only.
local function start()
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkfifo -m 600 " .. path))
  local pipe = assert(io.popen(("exec node build/oidc/server.mjs '%s' <%s"):format(json.encode(jwk_of(KEY)), path)))
  local input = assert(io.open(path, "w"))
  os.remove(path)
  return { pipe = pipe, input = input, issuer = assert(pipe:read "*l", "the server did not start") }
end

describe("the exchange with oidc-provider", function()
  local server, http

  setup(function()
    server = start()
    http = grid.http.new { retries = 0, timeout = 10 }
  end)

  teardown(function()
    http:close()
    server.input:close()
    server.pipe:close()
  end)

  local function made(method, options)
    local all = { issuer = server.issuer, client_id = method, client_auth = method }
    for _, more in ipairs { AUTH[method], options or {} } do
      for name, value in pairs(more) do all[name] = value end
    end
    local one = exchange.oauth2(all)
    local read
    for _, url in ipairs(one.discovery.urls) do
      read = read or one.discovery.read(assert(http:send { method = "GET", url = url }))
    end
    assert.is_true(read)
    return one
  end

  -- The grant of a new session.
  local function session(one, method, dpop_key)
    local key = dpop_key and core.key_from_text(dpop_key)
    server.input:write(json.encode { client = method, dpop_jwk = key and jwk_of(key) }, "\n")
    server.input:flush()
    local grant = one.grant { dpop_key = dpop_key }
    grant.refresh_token = server.pipe:read "*l"
    return grant
  end

  local function send(method, url, headers, body)
    return assert(http:send { method = assert(method, url), url = url, headers = headers, body = body })
  end

  local function refresh(one, grant)
    return one.read(send(one.request(grant)), grant)
  end

  local function with_token(grant, refresh_token)
    local copy = {}
    for name, value in pairs(grant) do copy[name] = value end
    copy.refresh_token = refresh_token
    return copy
  end

  for _, method in ipairs { "basic", "post", "none", "private_key_jwt" } do
    it("rotates, with the authentication " .. method, function()
      local one = made(method)
      local grant = session(one, method)
      local tokens, failure = refresh(one, grant)
      assert(tokens, failure and failure.message)
      assert.is_string(tokens.access_token)
      assert.are_not.equal(grant.refresh_token, tokens.refresh_token)
      assert.is_true(tokens.expires_in > 0)
      assert(refresh(one, with_token(grant, tokens.refresh_token)))
    end)

    it("tells that a spent token ends the session, with the authentication " .. method, function()
      local one = made(method)
      local grant = session(one, method)
      local tokens = assert(refresh(one, grant))
      for _, token in ipairs { grant.refresh_token, tokens.refresh_token } do
        local none, failure = refresh(one, with_token(grant, token))
        assert.is_nil(none)
        assert.same({ "reject", "invalid_grant", 400 }, { failure.kind, failure.code, failure.status })
      end
    end)
  end

  it("asks for the scope of the grant, and takes a narrower one", function()
    local one = made("basic", { scope = "openid extra" })
    local tokens = assert(refresh(one, session(one, "basic")))
    assert.equal("openid extra", tokens.scope)
  end)

  it("does not take a wrong client for a dead session", function()
    local one = made("basic", { client_secret = "wrong" })
    local tokens, failure = refresh(one, session(one, "basic"))
    assert.is_nil(tokens)
    assert.same({ "refused", "invalid_client", 401 }, { failure.kind, failure.code, failure.status })
  end)

  it("proves its key with the nonce of the server, for a token that is bound to the key", function()
    local key = core.key_new()
    local one = made("none", { dpop = true })
    local grant = session(one, "none", key:export())
    local tokens, failure = refresh(one, grant)
    assert.is_nil(tokens)
    assert.same({ "refused", "use_dpop_nonce" }, { failure.kind, failure.code })
    assert.is_string(failure.nonce)
    tokens, failure = refresh(one, grant)
    assert(tokens, failure and failure.message)
    assert.equal("DPoP", tokens.token_type)
    assert(refresh(one, with_token(grant, tokens.refresh_token)))
    key:close()
  end)

  it("revokes", function()
    local one = made "private_key_jwt"
    local grant = session(one, "private_key_jwt")
    assert.equal(200, send(one.revoke(grant)).status)
    local tokens, failure = refresh(one, grant)
    assert.is_nil(tokens)
    assert.same({ "reject", "invalid_grant" }, { failure.kind, failure.code })
  end)
end)
