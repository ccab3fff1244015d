-- What the OAuth 2.0 exchange makes of answers: tokens, the three kinds of failure, and
-- texts in which no secret is shown.

local core = require "grid.core"
local encoding = require "grid.exchange.encoding"
local exchange = require("grid").exchange
local json = require "grid.json"
local outcome = require "grid.outcome"

local made = exchange.oauth2 {
  token_url = "https://as.example.com/token", client_id = "app:1", client_secret = "canary+secret/1234",
}
local GRANT = { refresh_token = "canary-refresh+token/5678=" }

local function read(status, body, headers)
  if type(body) == "table" then body = json.encode(body) end
  return made.read({ status = status, headers = headers or {}, body = body }, GRANT)
end

local function failure_of(...)
  local tokens, failure = read(...)
  assert.is_nil(tokens)
  return failure
end

local ALL = {
  access_token = "a2", refresh_token = "r2", token_type = "DPoP", scope = "x y", id_token = "i2",
  expires_in = 3600, expires_at = 17.5,
}

describe("an answer with tokens", function()
  it("gives the members that the keeper keeps, as they are", function()
    assert.same(ALL, read(200, ALL))
    assert.same(ALL, read(201, ALL))
    assert.same(ALL, read(200, "\239\187\191" .. json.encode(ALL)))
    assert.same({ access_token = "a" }, read(200, { access_token = "a", other = "x", deep = { access_token = "b" } }))
  end)

  it("is not searched for the secrets of the request", function()
    local escape, texts = encoding.escape, {}
    encoding.escape = function(text)
      texts[#texts + 1] = text
      return escape(text)
    end
    read(200, ALL)
    assert.same({}, texts)
    read(400, { error = "invalid_grant" })
    encoding.escape = escape
    assert.equal(GRANT.refresh_token, texts[1])
  end)

  it("may leave out what does not change", function()
    for _, absent in ipairs { json.null, "" } do
      assert.same({ access_token = "a" }, read(200, { access_token = "a", refresh_token = absent, scope = absent }))
    end
  end)

  it("is not lost for a member of a wrong type", function()
    local odd = { access_token = "a", refresh_token = "r", expires_in = "3600", expires_at = {}, token_type = 7, scope = { "x" },
      id_token = false, error = "x" }
    assert.same({ access_token = "a", refresh_token = "r" }, read(200, odd))
  end)
end)

describe("an answer that cannot be read", function()
  it("is of the kind unknown, as it may hold the only living token", function()
    local bodies = {
      "", "<html>", '{"access_token":"a"', "[]", '"text"', "{}",
      '{"access_token":""}', '{"access_token":7}', '{"access_token":null}',
      '{"access_token":"a","refresh_token":7}', '{"access_token":"a","refresh_token":{"x":1}}',
      '{"refresh_token":"r","error":"odd"}', '{"error":""}', '{"error":{"code":"x"}}', "access_token=a&refresh_token=b",
    }
    for _, body in ipairs(bodies) do
      assert.same({ kind = "unknown", code = "unreadable", status = 200,
        message = "the token endpoint answered with status 200 and no tokens" }, failure_of(200, body))
    end
  end)
end)

describe("a refusal", function()
  it("ends the session by 400 or 401 with invalid_grant only", function()
    for _, status in ipairs { 400, 401 } do
      assert.same({ kind = "reject", code = "invalid_grant", status = status, message = "it was spent" },
        failure_of(status, { error = "invalid_grant", error_description = "it was spent" }))
    end
    for _, status in ipairs { 200, 302, 403, 404, 429, 500, 503 } do
      assert.are_not.equal("reject", failure_of(status, { error = "invalid_grant" }).kind)
    end
    for _, code in ipairs {
      "invalid_client", "invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_dpop_proof",
      "INVALID_GRANT", "invalid_grant ", "temporarily_unavailable", "interaction_required",
    } do
      assert.equal("refused", failure_of(400, { error = code }).kind, code)
      assert.equal("refused", failure_of(401, { error = code }).kind, code)
    end
    for _, body in ipairs { "", "<html>invalid_grant</html>", '["invalid_grant"]', '{"error":{"code":"invalid_grant"}}',
      '{"error_description":"invalid_grant"}', "error=invalid_grant" } do
      local failure = failure_of(400, body)
      assert.same({ "refused", "http_400" }, { failure.kind, failure.code })
    end
  end)

  it("is told apart from an unknown outcome as grid.outcome does, but for 409", function()
    for status = 300, 599 do
      local expected = outcome.of("yes", status) == "unknown" and "unknown" or "refused"
      if status == 409 then expected = "unknown" end
      for _, body in ipairs { "", "<html>", '{"error":"server_error"}' } do
        local failure = failure_of(status, body)
        assert.same({ expected, status }, { failure.kind, failure.status })
      end
    end
    for _, status in ipairs { 302, 408, 409, 500, 502, 504 } do assert.equal("unknown", failure_of(status, "").kind) end
    for _, status in ipairs { 400, 401, 403, 404, 422, 429, 503 } do assert.equal("refused", failure_of(status, "").kind) end
  end)

  it("may have the status 200", function()
    local failure = failure_of(200, { error = "bad_refresh_token", error_description = "incorrect or expired" })
    assert.same({ kind = "refused", code = "bad_refresh_token", message = "incorrect or expired", status = 200 }, failure)
  end)

  it("says what the server said, on one line of bounded length", function()
    assert.same({ "http_503", "the token endpoint answered with status 503" }, {
      failure_of(503, "").code, failure_of(503, "").message,
    })
    assert.equal("the token endpoint answered with status 400: invalid_scope", failure_of(400, { error = "invalid_scope" }).message)
    local failure = failure_of(400, { error = "a\nb" .. ("c"):rep(9999), error_description = "d\r\n\27[1me" .. ("f"):rep(99999) })
    assert.is_nil((failure.code .. failure.message):find "%c")
    assert.is_true(#failure.code < 400 and #failure.message < 400)
    assert.equal("http_400", failure_of(400, { error = 7, error_description = { "x" } }).code)
  end)

  it("gives no nonce but for use_dpop_nonce", function()
    local headers = { ["dpop-nonce"] = "n" }
    assert.equal("n", failure_of(401, { error = "use_dpop_nonce" }, headers).nonce)
    assert.is_nil(failure_of(400, { error = "use_dpop_nonce" }).nonce)
    assert.is_nil(failure_of(500, { error = "use_dpop_nonce" }, headers).nonce)
    assert.is_nil(failure_of(400, { error = "invalid_client" }, headers).nonce)
    assert.is_nil(failure_of(400, { error = "invalid_grant" }, headers).nonce)
  end)
end)

describe("no failure shows", function()
  local function shown(text)
    local failure = failure_of(400, { error = text, error_description = text })
    return failure.code .. " " .. failure.message
  end

  local function assert_hidden(secret)
    for _, text in ipairs {
      secret, "no " .. secret .. "!", ("x"):rep(1000) .. " " .. secret, ("x "):rep(505) .. secret,
      "no " .. secret:sub(1, -3), '{"token":"' .. secret .. '"}',
    } do
      local said = shown(text)
      assert.is_nil(said:find(secret:sub(1, 12), 1, true), said)
      assert.is_nil(said:find "canary", said)
    end
  end

  it("the refresh token, as it is or as it was sent", function()
    assert_hidden(GRANT.refresh_token)
    assert_hidden "canary-refresh%2Btoken%2F5678%3D"
  end)

  it("the client's secret, as it is or as it was sent", function()
    assert_hidden "canary+secret/1234"
    assert_hidden "canary%2Bsecret%2F1234"
    local _, _, headers = made.request(GRANT)
    assert_hidden(headers.Authorization:match "%S+$")
  end)

  it("an assertion, a proof, or a token that is one", function()
    local key = core.key_new()
    local signed = exchange.oauth2 {
      token_url = "https://as.example.com/token", client_id = "app", client_auth = "private_key_jwt", private_key = key:export(),
    }
    key:close()
    local _, _, _, body = signed.request(GRANT)
    assert_hidden(body:match "client_assertion=([^&]*)")
  end)

  it("what is not to be told from a secret", function()
    local long = exchange.oauth2 {
      token_url = "https://as.example.com/token", client_id = "app", client_secret = ("canary"):rep(20000),
    }
    local answer = { status = 400, headers = {}, body = json.encode { error = "invalid_grant", error_description = "canary" } }
    for _, grant in ipairs { GRANT, { refresh_token = "\255" } } do
      local one = grant == GRANT and long or made
      local _, failure = one.read(answer, grant)
      assert.same({ "reject", "invalid_grant", "the token endpoint answered with status 400" }, {
        failure.kind, failure.code, failure.message,
      })
    end
  end)

  it("less than it can: the names of members stay", function()
    assert.equal("refresh_token and client_secret are missing, see grant_type",
      failure_of(400, { error = "x", error_description = "refresh_token and client_secret are missing, see grant_type" }).message)
  end)
end)
