-- What the OAuth 2.0 exchange sends: forms, the client's authentication, DPoP, metadata,
-- and which options fit each other.

local core = require "grid.core"
local exchange = require("grid").exchange
local json = require "grid.json"
local rig = require "spec.support.rig"
local verify = require "spec.exchange.verify"

local KEY = core.key_new()
local PUBLIC, PRIVATE = KEY:public_key(), KEY:export()
KEY:close()

local NOW = 1795851579
local URL = "https://as.example.com/oauth/token"

local function with(value, changes)
  local copy = {}
  for name, field in pairs(value) do copy[name] = field end
  for name, field in pairs(changes or {}) do copy[name] = field end
  return copy
end

local BASIC = { token_url = URL, client_id = "app", client_secret = "s" }
local NONE = { token_url = URL, client_id = "app", client_auth = "none" }
local ASSERTED = { token_url = URL, client_id = "app", client_auth = "private_key_jwt", private_key = PRIVATE }

-- What an exchange sends: { method, url, headers, body, form }
local function sent(made, grant)
  local method, url, headers, body = made.request(with({ refresh_token = "r", now = NOW }, grant))
  assert(method, tostring(url))
  return { method = method, url = url, headers = headers, body = body, form = verify.form(body) }
end

before_each(rig.mark)
after_each(rig.assert_nothing_left)

describe("the request of the OAuth 2.0 exchange", function()
  it("is a form with the refresh token and the scope of the grant", function()
    local got = sent(exchange.oauth2(BASIC), { refresh_token = "a+b/ä~ =&", scope = "x y" })
    assert.same({ "POST", URL }, { got.method, got.url })
    assert.equal("grant_type=refresh_token&refresh_token=a%2Bb%2F%C3%A4%7E+%3D%26&scope=x+y", got.body)
    assert.same({ "application/x-www-form-urlencoded", "application/json" }, {
      got.headers["Content-Type"], got.headers.Accept,
    })
  end)

  it("takes scope and parameters from the grant, as they were when the intent was written", function()
    local old = exchange.oauth2(with(BASIC, { scope = "a", parameters = { resource = "https://x/", audience = "b c" } }))
    local new = exchange.oauth2(with(BASIC, { scope = "z", parameters = { audience = "other" } }))
    local grant = old.grant {}
    assert.same({ scope = "a", parameters = "audience=b+c&resource=https%3A%2F%2Fx%2F" }, grant)
    assert.equal(sent(old, grant).body, sent(new, grant).body)
    assert.same({ grant_type = "refresh_token", refresh_token = "r", scope = "a", audience = "b c", resource = "https://x/" },
      sent(new, grant).form)
    assert.same({ grant_type = "refresh_token", refresh_token = "r" }, sent(new).form)
  end)

  it("has the same bytes for the same parameters", function()
    local parameters, text = {}, {}
    for i = 10, 40 do
      parameters["p" .. i] = "v"
      text[#text + 1] = ("p%d=v"):format(i)
    end
    assert.equal(table.concat(text, "&"), exchange.oauth2(with(BASIC, { parameters = parameters })).grant({}).parameters)
  end)

  it("leaves no key to the collector", function()
    local made = exchange.oauth2(with(ASSERTED, { dpop = true }))
    collectgarbage "stop"
    local before = core.live()
    assert(made.request(with(made.grant {}, { refresh_token = "r" })))
    assert(made.tokens { access_token = "a", refresh_token = "r", dpop_key = PRIVATE })
    local after = core.live()
    collectgarbage "restart"
    assert.equal(before, after)
  end)

  it("carries the key of the intent where the server takes one", function()
    local made = exchange.oauth2(with(BASIC, { reuse = "idempotent", idempotency_header = "Idempotency-Key" }))
    assert.equal("key-1", sent(made, { idempotency_key = "key-1" }).headers["Idempotency-Key"])
    for name, value in pairs(sent(exchange.oauth2(BASIC), { idempotency_key = "key-1" }).headers) do
      assert.is_nil(value:find "key%-1", name)
    end
  end)

  it("needs a refresh token", function()
    local made = exchange.oauth2(BASIC)
    rig.assert_misuse(function() made.request {} end, "'refresh_token' is missing")
    rig.assert_misuse(function() made.request "r" end, "must be a table")
    rig.assert_misuse(function() made.revoke { refresh_token = "" } end, "not empty")
  end)

  it("is read from an answer with a status, headers and a body", function()
    local made = exchange.oauth2(BASIC)
    local function misuse(answer, grant, ...)
      rig.assert_misuse(function() made.read(answer, grant) end, "exchange.read", ...)
    end
    misuse(nil, {}, "the answer must be a table, got nil")
    misuse({ status = 200, body = "{}" }, {}, "field 'headers' is missing")
    misuse({ status = "200", headers = {}, body = "{}" }, {}, "'status' must be a number")
    misuse({ status = 200, headers = {}, body = {} }, {}, "'body' must be a string")
    misuse({ status = 200, headers = {}, body = "{}" }, "grant", "the grant must be a table")
    local _, failure = made.read({ status = 400, headers = {}, body = '{"error":"invalid_grant"}' }, {})
    assert.equal("reject", failure.kind)
  end)
end)

describe("the client's authentication", function()
  it("by basic encodes id and secret as a form does, and then as base64", function()
    local got = sent(exchange.oauth2 { token_url = URL, client_id = "a:b c", client_secret = "ü%/+?" })
    assert.equal("YSUzQWIrYzolQzMlQkMlMjUlMkYlMkIlM0Y=", got.headers.Authorization:match "^Basic (.*)$")
    assert.same({ grant_type = "refresh_token", refresh_token = "r" }, got.form)
  end)

  it("by post puts both into the form, and without a secret the id alone", function()
    local got = sent(exchange.oauth2 { token_url = URL, client_id = "a:b", client_secret = "ü &", client_auth = "post" })
    assert.is_nil(got.headers.Authorization)
    assert.same({ grant_type = "refresh_token", refresh_token = "r", client_id = "a:b", client_secret = "ü &" }, got.form)
    got = sent(exchange.oauth2(NONE))
    assert.is_nil(got.headers.Authorization)
    assert.same({ grant_type = "refresh_token", refresh_token = "r", client_id = "app" }, got.form)
  end)

  it("by private_key_jwt is an assertion of RFC 7523, made anew for each request", function()
    local made = exchange.oauth2(with(ASSERTED, { key_id = "k1" }))
    local form = sent(made).form
    local header, claims = verify.jws(form.client_assertion, PUBLIC)
    assert.same({ alg = "ES256", typ = "JWT", kid = "k1" }, header)
    assert.is_truthy(claims.jti:find(rig.UUID))
    assert.same({ iss = "app", sub = "app", aud = URL, iat = NOW, exp = NOW + 120, jti = claims.jti }, claims)
    assert.same({ "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "app" }, {
      form.client_assertion_type, form.client_id,
    })
    local _, other = verify.jws(sent(made).form.client_assertion, PUBLIC)
    assert.are_not.equal(claims.jti, other.jti)
  end)

  it("by private_key_jwt names the issuer, if it is known, as the audience", function()
    local made = exchange.oauth2(with(ASSERTED, { issuer = "https://as.example.com/" }))
    local header, claims = verify.jws(sent(made).form.client_assertion, PUBLIC)
    assert.equal("https://as.example.com/", claims.aud)
    assert.is_nil(header.kid)
  end)
end)

describe("DPoP", function()
  local made = exchange.oauth2(with(NONE, { token_url = URL .. "?tenant=1", dpop = true }))

  -- -> header, claims of the proof, whose signature is by the key in it
  local function proof(grant)
    local token = sent(made, grant).headers.DPoP
    local head = json.decode(core.base64url_decode(token:match "^[^.]+"))
    local header, claims = verify.jws(token, verify.public_key(head.jwk))
    return header, claims
  end

  it("proves the key of the session for method and address", function()
    local grant = made.grant { dpop_key = PRIVATE }
    assert.equal(PRIVATE, grant.dpop_key)
    local header, claims = proof(grant)
    assert.equal(PUBLIC, verify.public_key(header.jwk))
    local jwk = { kty = "EC", crv = "P-256", x = header.jwk.x, y = header.jwk.y }
    assert.same({ alg = "ES256", typ = "dpop+jwt", jwk = jwk }, header)
    assert.is_truthy(claims.jti:find(rig.UUID))
    assert.same({ htm = "POST", htu = URL, iat = NOW, jti = claims.jti }, claims)
    local _, other = proof(grant)
    assert.are_not.equal(claims.jti, other.jti)
  end)

  it("makes a key for a session that has none, which the grant keeps", function()
    local one, other = made.grant {}, made.grant {}
    assert.are_not.equal(one.dpop_key, other.dpop_key)
    local key = core.key_from_text(one.dpop_key)
    local header = proof(one)
    assert.equal(key:public_key(), verify.public_key(header.jwk))
    key:close()
    assert.is_nil(exchange.oauth2(NONE).grant({ dpop_key = PRIVATE }).dpop_key)
    assert.is_nil(sent(exchange.oauth2(NONE), one).headers.DPoP)
  end)

  it("cannot do without a key", function()
    local method, err = made.request { refresh_token = "r" }
    assert.is_nil(method)
    rig.assert_error(err, { kind = "crypto", sent = "no" })
    assert.is_truthy(err.message:find("dpop_key", 1, true))
  end)

  it("tells the nonce of a refusal, uses it at once, and remembers the one of each answer", function()
    local grant = with(made.grant { dpop_key = PRIVATE }, { refresh_token = "r" })
    local function nonce() return select(2, proof(grant)).nonce end
    local function read(status, value, body)
      return made.read({ status = status, headers = { ["dpop-nonce"] = value }, body = body }, grant)
    end
    assert.is_nil(nonce())
    local tokens, failure = read(400, "n1", '{"error":"use_dpop_nonce"}')
    assert.is_nil(tokens)
    assert.same({ "refused", "use_dpop_nonce", "n1", 400 }, { failure.kind, failure.code, failure.nonce, failure.status })
    assert.equal("n1", nonce())
    assert(read(200, "n2", '{"access_token":"a"}'))
    assert.equal("n2", nonce())
    assert(read(200, nil, '{"access_token":"a"}'))
    assert.equal("n2", nonce())
  end)

  it("takes no nonce that no proof may have, which would spoil each request after it", function()
    local grant = with(made.grant { dpop_key = PRIVATE }, { refresh_token = "r" })
    assert(made.read({ status = 200, headers = { ["dpop-nonce"] = "n2" }, body = '{"access_token":"a"}' }, grant))
    for _, value in ipairs { "", "\255", "n1, n2", 'n"', "n\\", "n\0", "\127" } do
      local headers = { ["dpop-nonce"] = value }
      local _, failure = made.read({ status = 400, headers = headers, body = '{"error":"use_dpop_nonce"}' }, grant)
      assert.is_nil(failure.nonce)
      assert.equal("n2", select(2, proof(grant)).nonce)
    end
    local visible = "!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~"
    assert(made.read({ status = 200, headers = { ["dpop-nonce"] = visible }, body = '{"access_token":"a"}' }, grant))
    assert.equal(visible, select(2, proof(grant)).nonce)
  end)
end)

describe("revocation", function()
  it("is a form with the refresh token, authenticated as each request is", function()
    local made = exchange.oauth2(with(BASIC, { revocation_url = "https://as.example.com/revoke" }))
    local method, url, headers, body = made.revoke { refresh_token = "r/1", access_token = "a" }
    assert.same({ "POST", "https://as.example.com/revoke", "Basic YXBwOnM=" }, { method, url, headers.Authorization })
    assert.equal("token=r%2F1&token_type_hint=refresh_token", body)
  end)

  it("is not possible where its address is not known", function()
    assert.is_nil(exchange.oauth2(BASIC).revoke { refresh_token = "r" })
  end)
end)

describe("the metadata of an issuer", function()
  local ISSUER = "https://as.example.com/tenant"
  local function made(issuer)
    return exchange.oauth2 { issuer = issuer or ISSUER, client_id = "app", client_secret = "s" }
  end

  local function answer(changes, status)
    local value = with({
      issuer = ISSUER, token_endpoint = "https://tokens.example.com/t", revocation_endpoint = "https://tokens.example.com/r",
    }, changes)
    return { status = status or 200, headers = {}, body = json.encode(value) }
  end

  it("is looked for where RFC 8414 says, and where OpenID Connect does", function()
    assert.same({
      "https://as.example.com/.well-known/oauth-authorization-server/tenant",
      "https://as.example.com/tenant/.well-known/openid-configuration",
    }, made().discovery.urls)
    for _, issuer in ipairs { "https://as.example.com", "https://as.example.com/" } do
      assert.same({
        "https://as.example.com/.well-known/oauth-authorization-server",
        "https://as.example.com/.well-known/openid-configuration",
      }, made(issuer).discovery.urls)
    end
    assert.is_nil(exchange.oauth2(with(BASIC, { issuer = ISSUER })).discovery)
  end)

  it("gives the addresses, without which no request can be made", function()
    local one = made()
    local method, err = one.request { refresh_token = "r" }
    assert.is_nil(method)
    rig.assert_error(err, { kind = "request", code = "no_metadata", sent = "no" })
    assert.is_true(one.discovery.read(answer()))
    assert.equal("https://tokens.example.com/t", sent(one).url)
    assert.equal("https://tokens.example.com/r", select(2, one.revoke { refresh_token = "r" }))
    assert.is_true(one.discovery.read(answer { revocation_endpoint = json.null }))
    assert.is_nil(one.revoke { refresh_token = "r" })
  end)

  it("is refused where it is of another issuer, or leads to plain HTTP", function()
    local cases = {
      { answer { issuer = ISSUER .. "/" }, "metadata_issuer" },
      { answer { issuer = json.null }, "metadata_issuer" },
      { answer { token_endpoint = "http://tokens.example.com/t" }, "metadata_endpoint" },
      { answer { token_endpoint = json.null }, "metadata_endpoint" },
      { answer { token_endpoint = 7 }, "metadata_endpoint" },
      { answer { revocation_endpoint = "http://tokens.example.com/r" }, "metadata_endpoint" },
      { answer({}, 404), "metadata_http_404" },
      { { status = 200, headers = {}, body = "<html>" }, "metadata_unreadable" },
      { { status = 200, headers = {}, body = '"text"' }, "metadata_unreadable" },
    }
    for _, case in ipairs(cases) do
      local one = made()
      local ok, failure = one.discovery.read(case[1])
      assert.is_nil(ok)
      assert.same({ "refused", case[2] }, { failure.kind, failure.code })
      assert.is_nil((one.request { refresh_token = "r" }))
    end
    local one = made "http://127.0.0.1:9/x"
    assert.is_true(one.discovery.read(answer {
      issuer = "http://127.0.0.1:9/x", token_endpoint = "http://127.0.0.1:9/t", revocation_endpoint = json.null,
    }))
  end)
end)

describe("the options of the OAuth 2.0 exchange", function()
  local function misuse(options, ...)
    rig.assert_misuse(function() exchange.oauth2(options) end, "grid.exchange.oauth2", ...)
  end

  it("raise at the caller's line where one is wrong, missing or unknown", function()
    misuse(nil, "must be a table")
    misuse(with(BASIC, { clientId = "x" }), "unknown field 'clientId'", "did you mean 'client_id'?")
    misuse({ token_url = URL }, "'client_id' is missing")
    misuse({ client_id = "app", client_secret = "s" }, "'token_url' or 'issuer' is missing")
    misuse(with(BASIC, { token_url = "http://as.example.com/" }), "'token_url'", "loopback")
    misuse(with(BASIC, { revocation_url = "http://as.example.com/" }), "'revocation_url'", "loopback")
    misuse(with(BASIC, { issuer = "https://as.example.com/?x" }), "'issuer'")
    misuse(with(BASIC, { client_auth = "digest" }), "one of basic, post, none, private_key_jwt")
    misuse(with(BASIC, { http_version = "3" }), "'http_version'")
    misuse(with(BASIC, { scope = "a\nb" }), "'scope'")
  end)

  it("raise where they do not fit each other", function()
    misuse({ token_url = URL, client_id = "app" }, "'client_secret' is missing", 'client_auth = "basic"',
      'a client without a secret has client_auth = "none"')
    misuse(with(NONE, { client_secret = "canary-s" }), "'client_secret' is not used", 'client_auth = "none"')
    misuse(with(BASIC, { private_key = PRIVATE }), "'private_key' is not used")
    misuse({ token_url = URL, client_id = "app", client_auth = "private_key_jwt" }, "'private_key' is missing")
    misuse({ issuer = "https://x.example", revocation_url = URL, client_id = "app", client_secret = "s" }, "'revocation_url'")
    misuse(with(BASIC, { reuse = "idempotent" }), "'idempotency_header' is missing")
    misuse(with(BASIC, { reuse = "grace" }), "'reuse_seconds' is missing")
    misuse(with(BASIC, { reuse_seconds = 5 }), "'reuse_seconds' is not used")
    misuse(with(BASIC, { idempotency_header = "a b" }), "name of a field")
    misuse(with(BASIC, { idempotency_header = "authorization" }), "'idempotency_header'")
    misuse(with(BASIC, { parameters = { "x" } }), "must be strings")
    misuse(with(BASIC, { parameters = { client_secret = "x" } }), "'client_secret' is set by the exchange")
  end)

  it("raise without the key where that cannot be read", function()
    local text = rig.misuse(function() exchange.oauth2(with(ASSERTED, { private_key = "canary-private-key" })) end)
    assert.is_truthy(text:find "'private_key' must be a P%-256 private key")
    assert.is_nil(text:find "canary")
  end)

  it("reach the keeper where they are its own", function()
    local made = exchange.oauth2(with(BASIC, {
      reuse = "grace", reuse_seconds = 30, ca_file = "/ca", proxy = "", http_version = "1.1", user_agent = "x",
      insecure_skip_tls_verify = false,
    }))
    assert.same({ "oauth2", "grace", 30 }, { made.name, made.reuse, made.reuse_seconds })
    assert.same({ ca_file = "/ca", proxy = "", http_version = "1.1", user_agent = "x", insecure_skip_tls_verify = false },
      made.transport)
    assert.same({ "strict", {} }, { exchange.oauth2(BASIC).reuse, exchange.oauth2(BASIC).transport })
  end)

  it("hold their secrets where neither tostring nor a dump shows them", function()
    local made = exchange.oauth2(with(BASIC, { token_url = URL .. "?key=canary-1", client_secret = "canary-2" }))
    assert.equal("grid.exchange: oauth2, " .. URL, tostring(made))
    local function look(value)
      if type(value) == "table" then
        for name, member in pairs(value) do look(name) look(member) end
      else
        assert.is_nil(tostring(value):find "canary")
      end
    end
    look(made)
  end)
end)

describe("what a session is added with", function()
  local made = exchange.oauth2(BASIC)

  it("is what a token endpoint answered, as a table or JSON text", function()
    local text = '\239\187\191{"access_token":"a","refresh_token":"r","expires_in":60,"token_type":"Bearer","x":{}}'
    assert.same({ access_token = "a", refresh_token = "r", expires_in = 60, token_type = "Bearer" }, made.tokens(text))
    local given = { access_token = "a", refresh_token = "r", expires_at = 7, scope = "s", id_token = "i", dpop_key = PRIVATE }
    assert.same(given, made.tokens(given))
  end)

  it("is refused without a token, or with a key that is none", function()
    local cases = {
      { {}, "access_token" }, { "no", "a JSON object" }, { '[{"access_token":"a"}]', "a JSON object" },
      { { access_token = "a" }, "refresh_token is missing" },
      { { error = "invalid_grant" }, "the server answered with the error 'invalid_grant': log in again" },
      { { error = "canary: x" }, "access_token and refresh_token must be strings" },
      { { access_token = "a", refresh_token = 7 }, "refresh_token must be" },
      { { access_token = "a", refresh_token = "r", dpop_key = "canary" }, "dpop_key must be" },
    }
    for _, case in ipairs(cases) do
      local tokens, problem = made.tokens(case[1])
      assert.is_nil(tokens)
      assert.is_truthy(problem:find(case[2], 1, true), problem)
      assert.is_nil(problem:find "canary")
    end
  end)
end)
