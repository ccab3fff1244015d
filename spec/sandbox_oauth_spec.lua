-- The OAuth 2.0 authorization server of the sandbox, as a client sees it that is not the
-- library: what it grants and refuses, each mode, each fault.

local http = require "socket.http"
local json = require "spec.sandbox.json"
local ltn12 = require "ltn12"
local mime = require "mime"
local oauth_server = require "spec.support.oauth_server"
local socket = require "socket"

local BASIC = "Basic " .. mime.b64 "app:canary-secret+%2B%3A%25%26%3D"
local FORM = "application/x-www-form-urlencoded"

describe("the authorization server of the sandbox", function()
  local server

  setup(function() server = oauth_server.share() end)
  before_each(function() server:reset() end)

  -- -> status | nil, error of the connection; the decoded body, else its text; headers
  local function call(method, url, body, headers)
    local parts, all = {}, { ["content-length"] = #(body or ""), ["content-type"] = FORM }
    for name, value in pairs(headers or {}) do all[name] = value or nil end
    local done, status, got = http.request {
      method = method, url = url, headers = all, source = ltn12.source.string(body or ""), sink = ltn12.sink.table(parts),
    }
    local text = table.concat(parts)
    return done and status, json.decode(text) or text, done and got or status
  end

  local function post(body, headers)
    return call("POST", server.token_url, body, headers or { authorization = BASIC })
  end

  local function authorize(query)
    local _, status, headers = http.request { url = server.issuer .. "/oauth/authorize?" .. query, redirect = false }
    return status, headers.location
  end

  local function refresh(token, key, more)
    return post("grant_type=refresh_token&refresh_token=" .. token .. (more or ""),
      { authorization = BASIC, ["idempotency-key"] = key })
  end


  local function assert_error(expected_status, expected_code, status, body)
    assert.same({ expected_status, expected_code }, { status, type(body) == "table" and body.error })
  end

  it("gives the tokens of a log-in, which the client without a secret refreshes", function()
    local status, tokens = call("POST", server.http .. "/_control/oauth/tokens")
    assert.same({ 200, "Bearer" }, { status, tokens.token_type })
    local form = "grant_type=refresh_token&client_id=public&refresh_token=" .. tokens.refresh_token
    assert.equal(200, (post(form, {})))
    assert.equal(400, (call("POST", server.http .. "/_control/oauth/tokens", '{"client":"other"}')))
  end)

  describe("logs in", function()
    local VERIFIER, CHALLENGE = ("v"):rep(43), "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
    local QUERY = "client_id=app&response_type=code&redirect_uri=http%3A%2F%2Fa.example%2Fcb&scope=openid&state=s+1&nonce=n"
      .. "&code_challenge_method=S256&code_challenge=" .. CHALLENGE

    local function code_of(query)
      local status, location = authorize(query or QUERY)
      assert.equal(302, status)
      return assert(location:match "[?&]code=([^&]+)"), location
    end

    local function redeem(code, verifier, redirect_uri)
      return post(("grant_type=authorization_code&code=%s&code_verifier=%s&redirect_uri=%s"):format(
        code, verifier or VERIFIER, redirect_uri or "http%3A%2F%2Fa.example%2Fcb"))
    end

    it("by a code, which begins a family, with an ID token for its client", function()
      local code, location = code_of()
      assert.matches("^http://a%.example/cb%?", location)
      assert.is_truthy(location:find("state=s%20%31", 1, true) or location:find("state=s%201", 1, true))
      local status, tokens = redeem(code)
      assert.equal(200, status)
      assert.is_true(server:token(tokens.refresh_token).living)
      local claims = json.decode(mime.unb64((tokens.id_token:match "%.(.-)%.":gsub("[-_]", { ["-"] = "+", ["_"] = "/" })) .. "=="))
      assert.same({ server.issuer, "app", "n" }, { claims.iss, claims.aud, claims.nonce })
      assert_error(400, "invalid_grant", redeem(code))
    end)

    it("only with the verifier and the redirect_uri of the code, and gives no ID token without openid", function()
      assert_error(400, "invalid_grant", redeem(code_of(), ("w"):rep(43)))
      assert_error(400, "invalid_grant", redeem(code_of(), nil, "http%3A%2F%2Fb.example%2Fcb"))
      assert.is_nil(select(2, redeem(code_of((QUERY:gsub("scope=openid", "scope=read"))))).id_token)
    end)

    it("no request without PKCE, of an unknown client, or of another response type", function()
      for from, to in pairs { ["=S256"] = "=plain", [CHALLENGE] = "short", ["=app"] = "=other", ["=code&"] = "=token&" } do
        assert.equal(400, (authorize((QUERY:gsub(from:gsub("%-", "%%-"), to)))))
      end
      assert.equal(400, (authorize "client_id=app&client_id=app"))
    end)
  end)

  describe("grants", function()
    it("a successor for a refresh token, which is spent, and is the living one", function()
      local family = server:family()
      local status, tokens, headers = refresh(family.refresh_token)
      assert.equal(200, status)
      assert.same({ "Bearer", 3600, "read write" }, { tokens.token_type, tokens.expires_in, tokens.scope })
      assert.equal("no-store", headers["cache-control"])
      assert.is_false(server:token(family.refresh_token).living)
      assert.same({ family = family.family, living = true, access_token = tokens.access_token },
        server:token(tokens.refresh_token))
      local counts = server:counts()
      assert.same({ 1, 1, 0, 0 }, { counts.executions, counts.rotations, counts.replays, counts.reuses })
      local all = server:all_families()[1]
      assert.same({ tokens.refresh_token, 1, true, false }, { all.refresh_token, all.rotations, all.living, all.revoked })
    end)

    it("to a client that authenticates in the form, and to a public one", function()
      local token = server:family().refresh_token
      assert.equal(200, (post("grant_type=refresh_token&refresh_token=" .. token
        .. "&client_id=app&client_secret=canary-secret+%2B%3A%25%26%3D", {})))
      token = server:family({ client = "public" }).refresh_token
      assert.equal(200, (post("grant_type=refresh_token&client_id=public&refresh_token=" .. token, {})))
    end)

    it("less scope, and the lifetime that is set", function()
      server:set { token_lifetime = 7 }
      local _, tokens = refresh(server:family().refresh_token, nil, "&scope=read")
      assert.same({ 7, "read" }, { tokens.expires_in, tokens.scope })
    end)
  end)

  describe("refuses", function()
    it("a client that is unknown, wrong, of another token, or authenticated twice", function()
      local body = "grant_type=refresh_token&refresh_token=" .. server:family().refresh_token
      local _, _, headers = post(body, {})
      assert.is_truthy(headers["www-authenticate"]:find "Basic")
      assert_error(401, "invalid_client", post(body, {}))
      assert_error(401, "invalid_client", post(body .. "&client_id=app", {}))
      assert_error(401, "invalid_client", post(body, { authorization = "Basic " .. mime.b64 "app:wrong" }))
      assert_error(400, "invalid_grant", post(body .. "&client_id=public", {}))
      assert_error(400, "invalid_request", post(body .. "&client_secret=x", { authorization = BASIC }))
      assert_error(400, "invalid_request", post(body .. "&client_id=public", { authorization = BASIC }))
      assert.equal(0, server:counts().executions)
    end)

    it("what is no refresh", function()
      local token = server:family().refresh_token
      local body = "grant_type=refresh_token&refresh_token=" .. token
      assert_error(400, "unsupported_grant_type", post "grant_type=password")
      assert_error(400, "invalid_request", post "grant_type=refresh_token")
      assert_error(400, "invalid_request", post(body .. "&refresh_token=" .. token))
      assert_error(400, "invalid_request", post(body, { authorization = BASIC, ["content-type"] = "application/json" }))
      assert_error(400, "invalid_scope", refresh(token, nil, "&scope=admin"))
      assert_error(400, "invalid_grant", refresh "unknown")
      assert_error(405, "invalid_request", call("GET", server.token_url))
      assert_error(404, "not_found", call("POST", server.http .. "/oauth/else", "", { authorization = BASIC }))
      assert.equal(200, (refresh(token)))
      assert.equal(1, server:counts().refusals)
    end)

    it("a refresh token that is older than its lifetime", function()
      local token = server:family().refresh_token
      server:set { refresh_lifetime = 0 }
      socket.sleep(0.01)
      assert_error(400, "invalid_grant", refresh(token))
      assert.is_false(server:token(token).living)
    end)
  end)

  it("revokes a family by one of its refresh tokens, and takes unknown ones", function()
    local token = server:family().refresh_token
    local function revoke(body) return (call("POST", server.revocation_url, body, { authorization = BASIC })) end
    assert.equal(200, revoke "token=unknown")
    assert.equal(400, revoke "")
    assert.equal(200, revoke("token_type_hint=refresh_token&token=" .. token))
    assert_error(400, "invalid_grant", refresh(token))
    assert.equal(1, server:counts().revoked_families)
  end)

  it("tells its endpoints", function()
    local status, metadata = call("GET", server.issuer .. "/.well-known/oauth-authorization-server")
    assert.equal(200, status)
    assert.same({ server.issuer, server.token_url, server.revocation_url },
      { metadata.issuer, metadata.token_endpoint, metadata.revocation_endpoint })
  end)

  describe("in mode", function()
    it("strict revokes the family of a token that comes twice", function()
      local token = server:family().refresh_token
      local _, tokens = refresh(token, "k")
      assert_error(400, "invalid_grant", refresh(token, "k"))
      assert_error(400, "invalid_grant", refresh(tokens.refresh_token))
      local counts = server:counts()
      assert.same({ 1, 1, 1, 2 }, { counts.executions, counts.reuses, counts.revoked_families, counts.refusals })
      assert.is_true(server:all_families()[1].revoked)
    end)

    it("grace grants a further pair for a while, then does as strict", function()
      server:set { mode = "grace", grace = 100 }
      local token = server:family().refresh_token
      local _, first = refresh(token)
      local status, second = refresh(token)
      assert.equal(200, status)
      assert.are_not.equal(first.refresh_token, second.refresh_token)
      assert.is_true(server:token(first.refresh_token).living)
      assert.is_true(server:token(second.refresh_token).living)
      assert.same({ 1, 1 }, { server:counts().rotations, server:counts().leeway })
      server:set { grace = 0 }
      socket.sleep(0.01)
      assert_error(400, "invalid_grant", refresh(token))
      assert.equal(1, server:counts().reuses)
    end)

    it("idempotent gives the stored answer for the same key, and else does as strict", function()
      server:set { mode = "idempotent" }
      local token = server:family().refresh_token
      local _, first = refresh(token, "k1")
      local _, again = refresh(token, "k1")
      assert.same(first, again)
      assert_error(422, "invalid_request", refresh(first.refresh_token, "k1"))
      local counts = server:counts()
      assert.same({ 2, 1, 1, 0 }, { counts.executions, counts.rotations, counts.replays, counts.reuses })
      assert_error(400, "invalid_grant", refresh(token, "k2"))
      assert.equal(1, server:counts().reuses)
    end)

    it("idempotent forgets an answer in time", function()
      server:set { mode = "idempotent", replay_lifetime = 0 }
      local token = server:family().refresh_token
      refresh(token, "k1")
      socket.sleep(0.01)
      assert_error(400, "invalid_grant", refresh(token, "k1"))
    end)
  end)

  describe("meets a fault that", function()
    -- -> what the client gets, the rotations, whether the token it had is still living
    local function meet(fault)
      local token = server:family().refresh_token
      fault.path = "/token"
      server:fault(fault)
      local status, body, headers = refresh(token, "k")
      return { status, body, headers }, server:counts().rotations, server:token(token).living
    end

    it("drops the request before it is executed", function()
      local got, rotations, living = meet { kind = "drop" }
      assert.is_falsy(got[1])
      assert.same({ 0, true }, { rotations, living })
    end)

    it("drops the answer after the execution", function()
      local got, rotations, living = meet { kind = "drop", execute = true }
      assert.is_falsy(got[1])
      assert.same({ 1, false }, { rotations, living })
      assert.same({ 1, 1 }, { server:counts().spoiled, server:counts().faults })
    end)

    it("holds the answer back", function()
      server:fault { kind = "delay", hold = true }
      local token = server:family().refresh_token
      local url, body = server.token_url, "grant_type=refresh_token&client_id=app&refresh_token=" .. token
      local pipe = io.popen(("curl -s -u 'app:canary-secret+%%2B%%3A%%25%%26%%3D' -d '%s' %s"):format(body, url))
      server:wait_held(1)
      assert.is_false(server:token(token).living)
      server:release()
      assert.is_truthy(pipe:read("*a"):find("canary-rt", 1, true))
      pipe:close()
    end)

    it("delays the request, or the answer", function()
      for _, member in ipairs { "delay", "answer_delay" } do
        local started = socket.gettime()
        assert.equal(200, meet({ kind = "delay", [member] = 0.2 })[1])
        assert.is_true(socket.gettime() - started >= 0.2)
      end
    end)

    it("cuts the answer", function()
      local got, rotations = meet { kind = "truncate", execute = true, bytes = 40 }
      assert.is_falsy(got[1])
      assert.equal(1, rotations)
    end)

    it("doubles the answer", function()
      server:fault { kind = "double" }
      local connection = assert(socket.connect(server.http:match "//(.-):", server.http:match "%d+$"))
      local body = "grant_type=refresh_token&client_id=public&refresh_token=" .. server:family({ client = "public" }).refresh_token
      connection:send(("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"):format(
        FORM, #body, body))
      local text = connection:receive "*a"
      connection:close()
      assert.equal(2, select(2, text:gsub("HTTP/1.1 200", "")))
      assert.equal(text:sub(1, #text / 2), text:sub(#text / 2 + 1))
      assert.equal(1, server:counts().rotations)
    end)

    it("executes the request twice", function()
      local got = meet { kind = "twice" }
      assert_error(400, "invalid_grant", got[1], got[2])
      assert.equal(1, server:counts().reuses)
      server:set { mode = "idempotent" }
      server:fault { kind = "twice" }
      assert.equal(200, (refresh(server:family().refresh_token, "k3")))
      assert.equal(1, server:counts().replays)
    end)

    it("answers 429 and 503, executed or not", function()
      for i, status in ipairs { 429, 503 } do
        local got, rotations, living = meet { kind = "status", status = status, retry_after = 3, execute = i == 2 }
        assert.same({ status, "3" }, { got[1], got[3]["retry-after"] })
        assert.is_string(got[2].error)
        assert.same({ i - 1, i == 1 }, { rotations, living })
      end
    end)

    it("stores a 500 for the idempotency key, the token spent or not", function()
      server:set { mode = "idempotent" }
      for _, rotate in ipairs { false, true } do
        local token, key = server:family().refresh_token, "k" .. tostring(rotate)
        server:fault { kind = "stored", rotate = rotate }
        assert_error(500, "server_error", refresh(token, key))
        assert_error(500, "server_error", refresh(token, key))
        assert.equal(not rotate, server:token(token).living)
      end
      assert.same({ 1, 2 }, { server:counts().rotations, server:counts().replays })
    end)

    it("answers with HTML", function()
      local got = meet { kind = "html", execute = true }
      assert.same({ 200, "text/html" }, { got[1], got[3]["content-type"] })
    end)

    it("names no refresh token, since the old one goes on", function()
      local got, rotations, living = meet { kind = "no_refresh_token", execute = true }
      assert.is_string(got[2].access_token)
      assert.is_nil(got[2].refresh_token)
      assert.same({ 0, true }, { rotations, living })
      assert.equal(1, server:counts().executions)
    end)

    it("names no lifetime, or an absurd one", function()
      local got = meet { kind = "no_expires_in", execute = true }
      assert.is_string(got[2].refresh_token)
      assert.is_nil(got[2].expires_in)
      for text, value in pairs { ['"soon"'] = "soon", ["-1"] = -1, ["1e300"] = 1e300 } do
        assert.equal(value, meet({ kind = "expires_in", json = text, execute = true })[2].expires_in)
      end
    end)

    it("comes by chance, in a sequence that a seed repeats", function()
      local function sequence(seed)
        server:reset()
        server:seed(seed)
        server:fault { kind = "html", execute = true, count = 0, probability = 0.5 }
        local token, marks = server:family().refresh_token, {}
        for i = 1, 40 do
          local _, body = refresh(token)
          marks[i] = type(body) == "table" and "." or "x"
          token = server:all_families()[1].refresh_token
        end
        return table.concat(marks)
      end
      local first = sequence(5)
      assert.equal(first, sequence(5))
      assert.are_not.equal(first, sequence(6))
      local count = select(2, first:gsub("x", ""))
      assert.is_true(count > 8 and count < 32)
    end)
  end)
end)
