-- The example gateway of spec/examples/openid, with the sandbox as its provider and a
-- program as its upstream.

local child = require "spec.support.child"
local nginx = require "spec.support.nginx"
local oauth_server = require "spec.support.oauth_server"
local openid_browser = require "spec.nginx.openid_browser"
local openid_gateway = require "spec.nginx.openid_gateway"
local socket = require "socket"

local SESSION = "__Host-session"

local PROGRAM = [[
  location / {
    content_by_lua_block {
      ngx.print(ngx.var.http_authorization or "-", " ", ngx.var.http_cookie or "-")
    }
  }
  location = /upgrade {
    content_by_lua_block { ngx.print(ngx.var.http_upgrade or "-", " ", ngx.var.http_connection or "-") }
  }]]

local function count(list)
  local counts = {}
  for _, value in ipairs(list) do counts[value] = (counts[value] or 0) + 1 end
  return counts
end

describe("the example gateway for OpenID Connect", function()
  local provider, program, gateway, browser

  setup(function()
    provider = oauth_server.share { mode = "strict" }
    program = nginx.start { locations = PROGRAM }
    gateway = openid_gateway.start { issuer = provider.issuer, secret = provider.client_secret, program = program.port }
  end)

  teardown(function()
    local code, log = gateway:stop()
    program:stop()
    provider:stop()
    assert.equal(0, code)
    assert.equal("", nginx.alarms(log))
    assert.is_nil(log:match "[^\n]*canary[^\n]*")
  end)

  before_each(function()
    provider:reset()
    browser = openid_browser.new()
  end)

  local function ask(path, ...) return browser:ask(gateway.http .. path, ...) end

  -- Follows the redirects of a log-in up to the callback. -> URL of the callback, that of
  -- the authorization endpoint
  local function reach_callback(path, change)
    local status, _, headers = ask(path)
    assert.equal(302, status)
    local at_provider = change and change(headers.location) or headers.location
    local redirected, body, there = openid_browser.new():ask(at_provider)
    assert.equal(302, redirected, body)
    return (there.location:gsub("^http://gateway%.example", gateway.http)), at_provider
  end

  -- -> where the browser goes after it
  local function log_in(path, settings)
    provider:set(settings or { token_lifetime = 3600 })
    local status, body, headers = browser:ask((reach_callback("/login?to=" .. (path or "/"))))
    assert.equal(303, status, body)
    return headers.location
  end

  -- With a session that has expired.
  local function log_in_until_expiry()
    log_in("/", { token_lifetime = 1 })
    socket.sleep(1.1)
  end

  local function visit()
    local status, body = ask "/"
    return status, body:match "^Bearer (%S+)", body
  end

  -- Each worker compares the sessions in its memory with the store every five seconds.
  local function assert_ended(value)
    browser.cookies[SESSION] = value
    assert.is_true(nginx.wait_for(20, function() return visit() == 302 end))
  end

  local function family() return provider:all_families()[1] end

  it("lets no request pass without a session: a page leads to the log-in, all else gets 401", function()
    local status, _, headers = ask "/list?page=2&q=%22"
    assert.same({ 302, "/login?to=%2Flist%3Fpage%3D2%26q%3D%2522" }, { status, headers.location })
    assert.equal(401, (ask("/", "GET", { accept = "application/json" })))
    assert.equal(401, (ask("/", "POST")))
    browser.cookies[SESSION] = ("x"):rep(43)
    assert.equal(401, (ask("/", "POST")))
  end)

  it("logs in by a code with PKCE, and comes back to the page that was asked for", function()
    local _, _, headers = ask "/list?page=2"
    local callback, at_provider = reach_callback(headers.location)
    for _, part in ipairs { "response_type=code", "code_challenge_method=S256", "state=", "nonce=", "scope=openid" } do
      assert.is_truthy(at_provider:find(part, 1, true), part)
    end
    local secret = select(2, browser:log_in()):match "^[^.]+"
    assert.is_nil(at_provider:find(secret, 1, true))
    local status, _, there = browser:ask(callback)
    assert.same({ 303, "/list?page=2" }, { status, there.location })
    assert.is_nil(browser:log_in())
    local passed, token, body = visit()
    assert.same({ 200, family().access_token }, { passed, token })
    assert.is_nil(body:find("__Host", 1, true))
  end)

  it("gives the browser 256 random bits, which no script and no other site sees, and stores their hash alone", function()
    local callback = reach_callback "/login"
    local _, _, headers = browser:ask(callback)
    assert.matches("^[%w_-]+$", browser.cookies[SESSION])
    assert.equal(43, #browser.cookies[SESSION])
    for _, attribute in ipairs { "Path=/;", "HttpOnly", "Secure", "SameSite=Lax" } do
      assert.is_truthy(headers["set-cookie"]:find("__Host%-session=[^,]*" .. attribute), attribute)
    end
    assert.is_nil(headers["set-cookie"]:find "__Host%-session=[^,]*Domain")
    local kept = child.capture(("cd %s && find . -type f -exec cat {} + && ls -R"):format(child.quote(gateway.sessions)))
    assert.is_truthy(kept:find(family().refresh_token, 1, true))
    assert.is_nil(kept:find(browser.cookies[SESSION], 1, true))
  end)

  it("passes on the other cookies, and no Authorization header of the client", function()
    log_in()
    browser.cookies.theme = "dark"
    local _, body = ask("/", "GET", { authorization = "Bearer forged", cookie = "a=1; " .. browser:header() .. "; b=2" })
    assert.equal(("Bearer %s a=1; theme=dark; b=2"):format(family().access_token), body)
  end)

  it("comes back to no other host", function()
    for _, to in ipairs {
      "https://evil.example/", "//evil.example/", "/%5Cevil.example", "%2F%2Fevil.example", "/%09/evil.example",
      "%5C%5Cevil.example",
      "javascript:alert(1)", "/%0D%0ASet-Cookie:%20a=b", ("/" .. ("x"):rep(2000)), "",
    } do
      assert.equal("/", log_in(to), to)
    end
    local callback = reach_callback "/login?to=/fine"
    local name, value = browser:log_in()
    browser.cookies[name] = value:match "^[^.]+" .. ".Ly9ldmlsLmV4YW1wbGU" -- //evil.example
    local _, _, headers = browser:ask(callback)
    assert.equal("/", headers.location)
  end)

  it("takes a callback only with the state of this browser's log-in, and once", function()
    local callback = reach_callback "/login"
    local another = openid_browser.new()
    assert.equal(400, (another:ask(callback)))
    another:ask(gateway.http .. "/login")
    assert.equal(400, (another:ask(callback)))
    assert.equal(400, (browser:ask((callback:gsub("state=[^&]*", "state=x")))))
    assert.equal(400, (browser:ask((callback:gsub("state=[^&]*", "%0x"))))) -- with the name of the cookie
    assert.equal(400, (browser:ask((callback:gsub("state=", "state=%%00"))))) -- which ends a pattern of LuaJIT
    local name, kept = browser:log_in()
    assert.equal(303, (browser:ask(callback))) -- another site cannot end a log-in
    assert.equal(400, (browser:ask(callback)))
    local value = browser.cookies[SESSION]
    browser.cookies[name] = kept
    assert.equal(303, (browser:ask(callback))) -- the answer of before
    assert.equal(value, browser.cookies[SESSION])
    assert.is_nil(browser:log_in())
    assert.equal(1, #provider:all_families())
    socket.sleep(0.3)
    assert.is_false(family().revoked) -- as the session of an earlier log-in would be
  end)

  -- Loads the callback in so many requests at once. -> their statuses, their cookies
  local function load_at_once(callback, loads)
    local header, requests, statuses, values = browser:header(), {}, {}, {}
    for i = 1, loads do requests[i] = gateway:begin(callback, ("-i -H 'Cookie: %s'"):format(header)) end
    for i, request in ipairs(requests) do
      local text, status = request:finish()
      statuses[i], values[i] = status, text:match "__Host%-session=([%w_-]+)" or "none"
    end
    return count(statuses), count(values), values[1]
  end

  it("sends a code once when a browser loads the callback several times at once, and gives all loads the same session", function()
    provider:set { token_lifetime = 3600 }
    local callback = reach_callback "/login"
    provider:fault { kind = "delay", path = "/token", answer_delay = 0.5, count = 0 }
    local before = provider:counts().faults
    local statuses, values, value = load_at_once(callback, 6)
    assert.same({ [303] = 6 }, statuses)
    assert.same({ [value] = 6 }, values)
    assert.equal(before + 1, provider:counts().faults)
    browser.cookies[SESSION] = value
    assert.equal(200, (visit()))
  end)

  it("lets all loads of a callback fail when the provider refuses its code", function()
    local callback = reach_callback "/login"
    provider:fault { kind = "body", path = "/token", status = 400, body = '{"error":"invalid_grant"}', answer_delay = 0.5 }
    assert.same({ [502] = 3 }, (load_at_once(callback, 3)))
  end)

  it("lets a browser log in in several tabs at once, each of which comes back to its page", function()
    provider:set { token_lifetime = 3600 }
    local callbacks = { reach_callback "/login?to=/one", reach_callback "/login?to=/two", reach_callback "/login?to=/three" }
    for i, page in ipairs { "/one", "/two", "/three" } do
      local status, _, headers = browser:ask(callbacks[i])
      assert.same({ 303, page }, { status, headers.location })
    end
    assert.equal(200, (visit()))
    assert.is_nil(browser:log_in())
  end)

  it("serves a browser whose cookies are log-ins that have not come back, as many as browsers keep", function()
    for _ = 1, 180 do ask("/login?to=/" .. ("x"):rep(198)) end
    assert.equal(302, (ask "/"))
  end)

  it("takes no cookie for its own that another host of the domain can set", function()
    log_in()
    local value = browser.cookies[SESSION]
    for _, forged in ipairs { "__host-session=%s", "a=1,__Host-session=%s", "__Host-session =%s", "a=b c; x__Host-session=%s" } do
      assert.equal(401, (ask("/", "POST", { cookie = forged:format(value) })), forged)
    end
    assert.equal(200, (ask("/", "POST", { cookie = "a=1;" .. SESSION .. "=" .. value })))
  end)

  it("passes on the upgrade to a WebSocket, and to no other protocol", function()
    log_in()
    local function upgrade(to)
      local _, body = ask("/upgrade", "GET", { upgrade = to, connection = "Upgrade, HTTP2-Settings" })
      return body
    end
    assert.same({ "websocket upgrade", "- -" }, { upgrade "WebSocket", upgrade "h2c" })
  end)

  it("takes no code of another verifier, no ID token of another log-in, no other issuer, and no refusal", function()
    local function refused(status, change_request, change_answer)
      local callback = reach_callback("/login", change_request)
      assert.equal(status, (browser:ask(change_answer and change_answer(callback) or callback)))
      assert.is_nil(browser.cookies[SESSION])
    end
    refused(502, function(url) return (url:gsub("code_challenge=[^&]*", "code_challenge=" .. ("x"):rep(43))) end)
    refused(502, function(url) return (url:gsub("nonce=[^&]*", "nonce=another")) end)
    refused(502, function(url) return (url:gsub("nonce=[^&]*&?", "")) end)
    refused(502, function(url) return (url:gsub("scope=[^&]*", "scope=read")) end) -- no ID token
    for _, fault in ipairs { "other_issuer", "other_audience", "wide_audience", "other_party", "expired" } do
      provider:set { id_token = fault }
      refused(502)
    end
    provider:set { id_token = "sound" }
    provider:fault { kind = "body", path = "/token", status = 400, body = '{"error":"canary of what was sent"}' } -- not in the log
    refused(502)
    refused(400, nil, function(url) return (url:gsub("iss=[^&]*", "iss=https%%%%3A%%%%2F%%%%2Fevil.example")) end)
    refused(403, nil, function(url) return (url:gsub("code=[^&]*", "error=access_denied")) end)
  end)

  it("begins each log-in with a new cookie, and removes and revokes the session of the old one", function()
    log_in()
    local first = browser.cookies[SESSION]
    log_in()
    assert.are_not.equal(first, browser.cookies[SESSION])
    assert.is_true(nginx.wait_for(10, function() return family().revoked end))
    assert.equal(200, (visit()))
    assert_ended(first)
  end)

  it("refreshes an expired session once for all requests of all workers, and passes the new token on", function()
    log_in_until_expiry()
    local first = family().access_token
    provider:set { token_lifetime = 3600 }
    local requests, tokens = {}, {}
    for i = 1, 50 do requests[i] = gateway:begin("/", "-H 'Cookie: " .. browser:header() .. "'") end
    for i, request in ipairs(requests) do tokens[i] = request:finish() end
    local now = family()
    assert.are_not.equal(first, now.access_token)
    assert.same({ ["Bearer " .. now.access_token .. " -"] = 50 }, count(tokens))
    assert.same({ 1, 0, false }, { now.rotations, now.reuses, now.revoked })
  end)

  it("asks for a log-in when the provider has ended the session, and for patience while it cannot be reached", function()
    log_in_until_expiry()
    provider:fault { kind = "status", status = 503, count = 0 }
    local status, _, headers = ask "/"
    assert.equal(503, status)
    assert.is_truthy(tonumber(headers["retry-after"]))
    provider:reset()
    browser = openid_browser.new()
    log_in_until_expiry()
    provider:reset() -- forgets the refresh token
    assert.equal(302, (visit()))
  end)

  it("logs out by POST from its own pages, removes the session, and revokes it", function()
    log_in()
    assert.equal(405, (ask "/logout"))
    for _, other in ipairs {
      { origin = "https://evil.example" }, { origin = "null" }, { ["sec-fetch-site"] = "cross-site" },
      { origin = "null", ["sec-fetch-site"] = "same-site" },
      { origin = "http://gateway.example", ["sec-fetch-site"] = "same-site" },
    } do
      assert.equal(403, (ask("/logout", "POST", other)))
    end
    assert.equal(200, (visit()))
    local value = browser.cookies[SESSION]
    local status, _, headers = ask("/logout", "POST", { origin = "http://gateway.example" })
    assert.same({ 303, "/logged-out" }, { status, headers.location })
    assert.is_nil(browser.cookies[SESSION])
    assert.is_true(family().revoked)
    assert.equal(200, (ask "/logged-out"))
    assert_ended(value)
    assert.equal(303, (ask("/logout", "POST")))
    status, _, headers = ask("/logout", "POST") -- without the cookie, which no form of another site brings
    assert.same({ 303 }, { status, headers["set-cookie"] })
    browser.cookies[SESSION] = value -- of a page that sends its form twice
    assert.equal(303, (ask("/logout", "POST")))
    assert.is_nil(gateway:log():find("not removed", 1, true))
  end)

  it("logs out from a page of its own that sends no referrer, so that browsers hide its origin", function()
    log_in()
    assert.equal(303, (ask("/logout", "POST", { origin = "null", ["sec-fetch-site"] = "same-origin" })))
    assert.is_nil(browser.cookies[SESSION])
  end)

  it("may have any reuse, with what it needs", function()
    for _, reuse in ipairs { '"grace", reuse_seconds = 10', '"idempotent", idempotency_header = "Idempotency-Key"' } do
      local another = openid_gateway.start {
        issuer = provider.issuer, secret = provider.client_secret, program = program.port, changes = { { '"strict"', reuse } },
      }
      local status = browser:ask(another.http .. "/login")
      another:stop()
      assert.equal(302, status)
    end
  end)

  it("starts without a secret only as a public client", function()
    local given = { issuer = provider.issuer, program = program.port }
    local ok, problem = pcall(openid_gateway.start, given)
    assert.is_false(ok)
    assert.is_truthy(problem:find("field 'client_secret' is missing", 1, true), problem)
    given.changes = { { 'client_id = "app",', 'client_id = "public", client_auth = "none",' } }
    local another = openid_gateway.start(given)
    local status, _, headers = browser:ask(another.http .. "/login")
    assert.equal(302, status)
    local _, _, there = openid_browser.new():ask(headers.location)
    assert.equal(303, (browser:ask((there.location:gsub("^http://gateway%.example", another.http)))))
    another:stop()
  end)

  -- Logs in at a gateway that removes sessions soon, with one that ends soon.
  local function log_in_at(short)
    provider:set { token_lifetime = 1 }
    local status, _, headers = browser:ask(short.http .. "/login")
    assert.equal(302, status)
    local _, _, there = openid_browser.new():ask(headers.location)
    browser:ask((there.location:gsub("^http://gateway%.example", short.http)))
  end

  it("removes and revokes a session that no user comes back to", function()
    local short = openid_gateway.start {
      issuer = provider.issuer, secret = provider.client_secret, program = program.port, idle = 1,
    }
    log_in_at(short)
    local is_removed = nginx.wait_for(20, function() return family().revoked end)
    local answered = browser:ask(short.http .. "/")
    local _, log = short:stop()
    assert.same({ true, 302 }, { is_removed, answered })
    assert.is_nil(log:find("[warn]", 1, true))
  end)

  it("looks for such sessions in no worker that ends", function()
    local short = openid_gateway.start {
      issuer = provider.issuer, secret = provider.client_secret, program = program.port, idle = 0.1, changes = {
        { 'require("openid").start()', 'ngx.worker.exiting = function() return true end require("openid").start()' },
      },
    }
    log_in_at(short)
    socket.sleep(2.5)
    local is_revoked = family().revoked
    short:stop()
    assert.is_false(is_revoked)
  end)

  it("tells Prometheus what the keepers of all workers have done", function()
    assert.is_true(nginx.wait_for(20, function()
      local text = gateway:get "/metrics"
      return text:match 'grid_keeper_events_total{worker="0",event="refreshed"} %d+\n'
        and text:match 'grid_keeper_events_total{worker="1",event="refreshed"} %d+\n'
        and text:match 'grid_keeper_refreshes_in_flight{worker="1"} 0\n'
    end))
  end)
end)
