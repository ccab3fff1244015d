-- No text, event or loop over the fields of an error shows a secret. The fields for a
-- rescue (err.body, err.cookies) can be read by name only.

local grid = require "grid"
local json = require "grid.json"
local rig = require "spec.support.rig"

-- Canaries of the kinds that are in use: a JWT, base64, base64url, hex.
local CANARIES = {
  "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJlLWNhbmFyeQ",
  "Y2FuYXJ5L2NhbmFyeStjYW5hcnkvY2FuYXJ5==",
  "canary-token_AbCdEf0123456789",
  "00c0ffee00c0ffee00c0ffee00c0ffee",
}
local API_KEY = "canary-api-key"
local COOKIE = "grid_session=canaryCookie0123456789abcdef; other=canaryOther0123456789abcdef"

local function payload()
  return json.encode { provider = "privy", session = { Privy = {
    token = CANARIES[1], privy_access_token = CANARIES[2], refresh_token = CANARIES[3], user_id = "did:privy:" .. CANARIES[4],
  } } }
end

-- Every text that a program can come upon in a value by printing it and walking through
-- it.
local function texts_of(value, found, seen)
  found, seen = found or {}, seen or {}
  found[#found + 1] = tostring(value)
  if type(value) == "table" and not seen[value] then
    seen[value] = true
    for name, member in pairs(value) do
      texts_of(name, found, seen)
      texts_of(member, found, seen)
    end
  end
  return found
end

local function assert_shows_no_secret(value, what)
  for _, text in ipairs(texts_of(value)) do
    for _, pattern in ipairs { "canary", "eyJ", "Y2Fu", "c0ffee", "c2ln" } do
      assert.is_nil(text:find(pattern, 1, true), ("%s shows '%s': %s"):format(what, pattern, text))
    end
  end
end

describe("no secret is shown", function()
  local server = rig.sandbox()
  local events

  before_each(function() events = {} end)

  local function watched(given)
    local options = { api_key = API_KEY, on_event = function(event) events[#events + 1] = event end }
    for name, value in pairs(given or {}) do options[name] = value end
    return rig.client(server, options)
  end

  local function failing_call(client)
    local res, err = client:refresh_session(
      { encryption_public_key = rig.KEY, kms_payload = payload() }, { cookie = COOKIE })
    assert.is_nil(res)
    assert.is_true(grid.is_error(err))
    return err
  end

  -- A call that fails in the way of `fault`: neither the error nor an event nor the
  -- client shows anything.
  local function check(title, fault, given)
    it("when " .. title, function()
      if fault then server:fault(fault) end
      local client = watched(given)
      local err = failing_call(client)
      assert_shows_no_secret(err, "the error")
      assert_shows_no_secret(events, "an event")
      assert_shows_no_secret(tostring(client), "the client")
      client:close()
    end)
  end

  local function echo(format)
    local parts = {}
    for _, text in ipairs { API_KEY, COOKIE, CANARIES[1], CANARIES[2], CANARIES[3], CANARIES[4] } do
      parts[#parts + 1] = format:format(text)
    end
    return table.concat(parts)
  end

  check("a closed port", nil, { base_url = "http://127.0.0.1:1" })
  check("the service knows the key no more")
  check("the connection breaks", { kind = "drop", execute = true })
  check("the answer does not come in time", { kind = "delay", hold = true }, { timeout = 0.1 })
  check("an answer is invalid", { kind = "body", body = echo "%s" })
  check("an answer is cut off", { kind = "truncate" })
  check("the answer redirects to where secrets are", { kind = "redirect", location = "/elsewhere" })
  check("the service echoes in its message", { kind = "body", status = 400, body = json.encode { message = echo "%s " } })
  check("the service ends with it", { kind = "body", status = 400, body = json.encode { message = echo "Bad %s. " } })
  check("the service puts names before it", { kind = "body", status = 400, body = json.encode { message = echo "token=%s/x-" } })
  check("the service quotes it", { kind = "body", status = 400, body = json.encode { message = echo "'%s'" } })
  check("the service echoes in its code", { kind = "body", status = 400, body = json.encode { error = { code = echo "%s" } } })
  check("the service echoes as a text", { kind = "body", status = 400, body = json.encode { error = echo "%s" } })
  check("the service echoes in its details", { kind = "body", status = 400, body = json.encode {
    message = "m", details = { { code = CANARIES[1], message = echo "Bad %s.", more = { { CANARIES[2] } } } } } })
  check("the service echoes the whole body", { kind = "body", status = 400, body = json.encode { message = payload() } })
  check("the service echoes a part", { kind = "body", status = 400, body = json.encode { message = CANARIES[1]:sub(1, 20) } })
  check("the service names a member after it", { kind = "body", status = 400, body = json.encode {
    message = "m", details = { { [CANARIES[1]] = "x", more = { [API_KEY] = 1 } } } } })
  check("the service echoes a short key", { kind = "body", status = 400, body = json.encode { message = "no key canary!" } },
    { api_key = "canary" })
  local MEANINGLESS = { "foo://user:canary-password@p:1", "http://user:canary-password@p:99999", "http://user:canary password@p:1" }
  for _, url in ipairs(MEANINGLESS) do
    check("an invalid proxy is named with its password: " .. url, nil, { base_url = "https://localhost:1", proxy = url })
  end
  check("a proxy is named with its password", nil,
    { base_url = "https://localhost:1", proxy = "http://user:canary-password@127.0.0.1:1" })

  -- What answers hold as the name of a request: one of our secrets, in some way, in each
  -- of these places.
  local ECHOED = { API_KEY, CANARIES[1], CANARIES[2], CANARIES[3], CANARIES[4], "canaryCookie0123456789abcdef" }
  local WAYS = { "%s", "req-%s-1", "req/%s", CANARIES[3]:sub(1, 9) .. "%.0s" }
  local BODIES = {
    [200] = { [[{"data":{"a":1},"metadata":{"request_id":"%s"}}]], [[{"request_id":"%s"}]], "no JSON", [[{"data":7}]] },
    [302] = { "" }, [400] = { [[{"message":"m","request_id":"%s"}]], "" }, [503] = { [[{"request_id":"%s"}]] },
  }

  local function meet(answer)
    local raw = rig.raw_server(answer)
    local client = watched { base_url = raw.url, host = raw.host }
    local res, err = client:refresh_session({ encryption_public_key = rig.KEY, kms_payload = payload() }, { cookie = COOKIE })
    if res == nil and err.code == "bad_answer" then -- no session is in it: the same as another call
      res, err = client:request("POST", "/x", json.decode(payload()), { cookie = COOKIE })
    end
    client:close()
    raw.close()
    return res, err
  end

  -- In the body, where that has a place for it, else in a header. -> result, error
  local function meet_named(status, body, id)
    local header = body:find "%%s" and "" or ("X-Request-Id: %s\r\n"):format(id)
    local text = body:gsub("%%s", (id:gsub("%%", "%%%%")))
    local res, err = meet(("HTTP/1.1 %d x\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, header, #text, text))
    assert.truthy((res or err).request_id:find("[redacted]", 1, true), (res or err).request_id)
    if err then err.headers = nil end -- as they came
    assert_shows_no_secret(err or tostring(res), "the result of " .. text)
    assert_shows_no_secret(events, "an event")
    events = {}
    return res, err
  end

  it("by the name of a request, in a header or a body, of a result or an error", function()
    local results, errors = 0, 0
    for status, bodies in pairs(BODIES) do
      for _, body in ipairs(bodies) do
        for i = 1, #ECHOED * #WAYS do
          local id = WAYS[i % #WAYS + 1]:format(ECHOED[math.ceil(i / #WAYS)])
          local res, err = meet_named(status, body, id)
          results, errors = results + (res and 1 or 0), errors + (err and 1 or 0)
        end
      end
    end
    assert.is_true(results > 20 and errors > 20)
  end)

  it("by the name of a request whose answer breaks off", function()
    local _, err = meet(("HTTP/1.1 200 OK\r\nX-Request-Id: %s\r\nContent-Length: 50\r\n\r\n{"):format(CANARIES[1]))
    rig.assert_error(err, { kind = "network", request_id = "[redacted]" })
    assert_shows_no_secret(events, "an event")
  end)

  it("by a name of a request that hides it between what is not seen, or in escapes", function()
    for _, between in ipairs { "\226\128\139", "\239\187\191", "\226\128\174" } do
      local spread = API_KEY:gsub(".", "%0" .. between)
      local _, err = meet(("HTTP/1.1 400 x\r\nX-Request-Id: %s\r\nContent-Length: 0\r\n\r\n"):format(spread))
      assert.equal("[redacted]", err.request_id)
      local body = json.encode { message = "No " .. spread .. ".", error = { code = spread } }
      _, err = meet(("HTTP/1.1 400 x\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      assert.same({ "No [redacted].", "[redacted]" }, { err.message, err.code })
    end
    local raw = rig.raw_server "HTTP/1.1 400 x\r\nX-Request-Id: canary-escaped\r\nContent-Length: 0\r\n\r\n"
    local client = watched { base_url = raw.url, host = raw.host }
    local token = ("canary-escaped"):gsub(".", function(letter) return ("\\u%04x"):format(letter:byte()) end)
    local _, err = client:refresh_session { encryption_public_key = rig.KEY,
      kms_payload = ('{"session":{"Privy":{"token":"%s"}}}'):format(token) }
    assert.equal("[redacted]", err.request_id)
    client:close()
    raw.close()
  end)

  it("by the name of a request that sent more than can be looked for: it is left out where it is part of that", function()
    for _, case in ipairs { { "canary-of-a-long-body" }, { "another-name", "another-name" } } do
      local answer = '{"data":{},"metadata":{"request_id":"' .. case[1] .. '"}}'
      local raw = rig.raw_server(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#answer, answer))
      local client = watched { base_url = raw.url, host = raw.host }
      local res = assert(client:request("POST", "/x", { text = ("canary-of-a-long-body "):rep(4000) }))
      assert.equal(case[2], res.request_id)
      client:close()
      raw.close()
    end
  end)

  it("by a name of a request that holds none, which stays as it is", function()
    for _, id in ipairs { "3f2b8c1e-77aa-4d1c-9e0f-0a1b2c3d4e5f", "req_77", "privy", "token=7", "1" } do
      local _, err = meet(("HTTP/1.1 400 x\r\nX-Request-Id: %s\r\nContent-Length: 0\r\n\r\n"):format(id))
      assert.equal(id, err.request_id)
    end
  end)

  it("by the echo of short tokens and cookies", function()
    local client = watched()
    server:fault { kind = "body", status = 400, body = json.encode {
      error = { code = "canary-1", message = "sid=canary-2; bad canary-3", details = { { message = "(canary-1, canary-2)" } } } } }
    local _, err = client:refresh_session({ encryption_public_key = rig.KEY, kms_payload = { session = { Privy = {
      token = "canary-1", refresh_token = "canary-3" } } } }, { cookie = "sid=canary-2" })
    assert.equal(400, err.status)
    assert_shows_no_secret(err, "the error")
    client:close()
  end)

  it("by anything that the service says of a call that sent more than can be looked for", function()
    local client = watched()
    server:fault { kind = "body", status = 400, body = json.encode {
      error = { code = "too_much", message = "too much", details = { { code = "size" } } } } }
    local _, err = client:request("POST", "/anything", { text = ("canary"):rep(20000) })
    rig.assert_error(err, { kind = "api", status = 400, code = "http_400" })
    assert.is_nil(err.details)
    assert.equal("the service answered with status 400", err.message)
    assert.is_truthy(err.body:find("too_much", 1, true))
    client:close()
  end)

  it("by the names of what is wrong, which stay readable", function()
    local message = "encryption_public_key, kms_payload and privy_access_token are required; refresh_token has expired"
    server:fault { kind = "body", status = 400, body = json.encode {
      message = message, details = { { field = "kms_payload.session.Privy.refresh_token", code = "invalid_refresh_token" } } } }
    local client = watched()
    local err = failing_call(client)
    assert.equal(message, err.message)
    assert.equal("invalid_refresh_token", err.code)
    assert.equal("kms_payload.session.Privy.refresh_token", err.details[1].field)
    client:close()
  end)

  it("by a result and the events of a call that succeeds", function()
    server:set { tier = "2" }
    local saved, privy = rig.session(server)
    local client = watched { api_key = server.api_key }
    local res = assert(client:refresh_session { encryption_public_key = rig.KEY, kms_payload = saved })
    local fresh = res.data.kms_payload.session.Privy
    for _, text in ipairs(texts_of(events)) do
      for _, secret in ipairs { server.api_key, privy.token, privy.refresh_token, fresh.token, fresh.refresh_token } do
        assert.is_nil(text:find(secret, 1, true))
        assert.is_nil(tostring(res):find(secret, 1, true))
      end
    end
    client:close()
  end)

  it("by the events of a request with a query", function()
    local client = watched()
    client:request("GET", "/anything?token=canary-1")
    assert.equal("/anything", events[1].path)
    assert_shows_no_secret(events, "an event")
    client:close()
  end)

  it("by a complaint about misuse", function()
    local client = watched()
    local request = { encryption_public_key = rig.KEY, kms_payload = payload() }
    assert_shows_no_secret(rig.misuse(function() client:refresh_session(request, { cookies = COOKIE }) end), "the complaint")
    assert_shows_no_secret(rig.misuse(function() grid.new { api_keys = API_KEY } end), "the complaint")
    assert_shows_no_secret(rig.misuse(function() grid.new { base_url = "https://canary@localhost" } end), "the complaint")
    client:close()
  end)

  it("by a payload that cannot be sent", function()
    local client = watched()
    for _, text in ipairs { payload():sub(1, -2), payload() .. "x", '"' .. CANARIES[1] .. '"', "{'" .. CANARIES[1] .. "':1}" } do
      local _, err = client:refresh_session { encryption_public_key = rig.KEY, kms_payload = text }
      assert_shows_no_secret(err, "the error")
    end
    for _, text in ipairs { "canary\r\n", "canary\0" } do
      local _, err = client:refresh_session({ encryption_public_key = rig.KEY }, { cookie = text })
      assert_shows_no_secret(err, "the error")
      _, err = client:refresh_session({ encryption_public_key = rig.KEY }, { idempotency_key = text })
      assert.equal("bad_idempotency_key", err.code)
    end
    client:close()
  end)
end)
