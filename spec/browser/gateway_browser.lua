-- The example gateway for OpenID Connect as users meet it: Chromium, the gateway with two
-- workers, npm's oidc-provider with rotation and strict about spent tokens. Run by
-- `make gateway-browser`.

local child = require "spec.support.child"
local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local openid_gateway = require "spec.nginx.openid_gateway"

local SECRET = "canary secret +:%&="
local LIFETIME = 4 -- seconds of an access token: the keeper refreshes it in the second half
local AT_ONCE = 50 -- requests

local PROGRAM = [[
  location = /token { content_by_lua_block { ngx.print(ngx.md5(ngx.var.http_authorization)) } }
  location / {
    default_type text/html;
    content_by_lua_block {
      ngx.print('<!doctype html><title>program</title><body style="font: 16px DejaVu Sans; margin: 40px">',
        '<h2>A program behind the gateway</h2><p>GET ', ngx.var.uri, '<p>access token: MD5 ', ngx.md5(ngx.var.http_authorization),
        '<p>cookies seen here: ', ngx.var.http_cookie and ngx.var.http_cookie:gsub("=[^;]*", "=…") or "none",
        '<form action="/logout" method="post"><button>Log out</button></form>')
    }
  }]]

-- Sends all requests at once, and again until `done` of the tokens seen; a request that
-- was cut off counts as 0.
local ROUNDS = [[
  (async () => {
    const statuses = {}, tokens = []
    const one = async () => {
      const answer = await fetch("/token", { cache: "no-store", redirect: "manual" }).catch(() => ({ status: 0 }))
      statuses[answer.status] = (statuses[answer.status] || 0) + 1
      if (answer.status === 200) {
        const token = await answer.text()
        if (!tokens.includes(token)) tokens.push(token)
      }
    }
    const end = Date.now() + 60000
    do await Promise.all(Array.from({ length: %d }, one)); while (!(%s) && Date.now() < end)
    return JSON.stringify({ statuses, tokens })
  })()]]

-- A program of node that answers each line by a line. It reads from a named pipe, since
-- io.popen has one direction only.
local function start(command)
  local path = os.tmpname()
  os.remove(path)
  assert(os.execute("mkfifo -m 600 " .. path))
  local pipe = assert(io.popen(("exec %s <%s"):format(command, path)))
  local input = assert(io.open(path, "w"))
  os.remove(path)
  local program = { first = assert(pipe:read "*l", "it did not start: " .. command) }
  function program.tell(line)
    input:write(line, "\n")
    input:flush()
  end
  function program.hear() return pipe:read "*l" end
  function program.ask(line)
    program.tell(line)
    return program.hear()
  end
  function program.stop()
    input:close()
    pipe:close()
  end
  return program
end

describe("a browser at the example gateway", function()
  local provider, program, gateway, chromium, home

  setup(function()
    provider = start(("node build/oidc/provider.mjs '%s' %d"):format(SECRET, LIFETIME))
    program = nginx.start { locations = PROGRAM }
    gateway = openid_gateway.start {
      issuer = provider.first, secret = SECRET, program = program.port, redirect_uri = "http://localhost:@PORT@/callback",
    }
    home = ("http://localhost:%d/"):format(gateway.port)
    chromium = start "node spec/browser/browser.mjs"
  end)

  teardown(function()
    if chromium then chromium.stop() end
    local code, log = gateway:stop()
    program:stop()
    provider.stop()
    assert.equal(0, code)
    assert.is_nil(log:match "[^\n]*canary[^\n]*")
  end)

  local function browser(command)
    local answer = json.decode(assert(chromium.ask(json.encode(command))))
    assert.is_nil(answer.failure)
    return answer.value
  end

  local pictures = {}

  local function picture(caption)
    local path = ("%s/picture%d.png"):format(gateway.dir, #pictures + 1)
    browser { screenshot = path, width = 480, height = 300 }
    pictures[#pictures + 1] = { caption = caption, path = path }
  end

  -- All pictures side by side, for the page of the example.
  local function draw(path)
    local form = '<figure style="margin: 8px"><figcaption>%d. %s</figcaption><img border="1" src="data:image/png;base64,%s">'
    local parts = {}
    for i, one in ipairs(pictures) do parts[i] = form:format(i, one.caption, child.capture("base64 -w0 " .. one.path)) end
    local page = '<body style="margin: 0; display: flex; font: 15px DejaVu Sans">' .. table.concat(parts, "</figure>")
    browser { open = "about:blank" }
    browser { run = "document.body.outerHTML = " .. json.quote(page) .. "; new Promise((done) => setTimeout(done, 500))" }
    browser { screenshot = path, width = 498 * #pictures, height = 340 }
  end

  local function rounds(done) return json.decode(browser { run = ROUNDS:format(AT_ONCE, done) }) end

  local function counts() return json.decode(provider.ask "counts") end

  -- The worker that has a connection from that port.
  local function worker_of(port)
    local pid = child.capture(("ss -tnpH 'sport = :%s'"):format(port)):match "pid=(%d+)"
    for _, worker in ipairs(gateway:workers()) do
      if worker == pid then return pid end
    end
  end

  it("logs in at the provider, by its pages, and comes back to the page that was asked for", function()
    local at = browser { open = home .. "reports?year=2026" }
    assert.equal(1, at:find(provider.first .. "/interaction/", 1, true), at)
    picture "GET /reports leads to the provider"
    browser { run = "document.querySelector('[name=login]').value = 'ann'; document.querySelector('[name=password]').value = 'p'" }
    at = browser { submit = "document.querySelector('button').click()" }
    assert.equal(1, at:find(provider.first .. "/interaction/", 1, true), at)
    at = browser { submit = "document.querySelector('button').click()" } -- the consent
    assert.equal(home .. "reports?year=2026", at)
    picture "after the log-in: the program, with the access token"
  end)

  it("has one cookie, which no script can read", function()
    local own = {}
    for _, cookie in ipairs(browser { cookies = true }) do
      if cookie.name:find "^__Host" then own[#own + 1] = cookie end
    end
    assert.equal(1, #own)
    local cookie = own[1]
    assert.same({ "__Host-session", true, true, "Lax", "/", 43 },
      { cookie.name, cookie.httpOnly, cookie.secure, cookie.sameSite, cookie.path, #cookie.value })
    assert.is_nil((browser { run = "document.cookie" }):find("__Host", 1, true))
  end)

  it("sits through three refreshes under 50 requests at once", function()
    local before = counts().executed
    local seen = rounds "tokens.length >= 4"
    assert.is_true(#seen.tokens >= 4)
    for status in pairs(seen.statuses) do assert.equal("200", status) end
    local after = counts()
    assert.is_true(after.executed - before >= 3)
    assert.same({ 0, 0 }, { after.reused, after.revoked })
    browser { open = home .. "reports?year=2026" }
    picture "three refreshes later: another token"
  end)

  it("keeps its session when the worker that refreshes it is killed", function()
    provider.tell "hold"
    browser { run = "window.seen = " .. ROUNDS:format(AT_ONCE, "window.is_killed && tokens.length >= 3") .. "; true" }
    local port = provider.hear()
    local pid = assert(worker_of(port), "no worker has the connection")
    os.execute("kill -KILL " .. pid)
    assert.equal("dropped", provider.ask "drop")
    browser { run = "window.is_killed = true" }
    local seen = json.decode(browser { run = "window.seen" })
    assert.is_true(#seen.tokens >= 3)
    -- 0: cut off by the kill. 503: the session has ended, and the keeper waits until the
    -- provider, which is strict, cannot be executing the first request any more.
    for status in pairs(seen.statuses) do assert.is_truthy(status == "200" or status == "0" or status == "503", status) end
    seen = rounds "true"
    assert.same({ ["200"] = AT_ONCE }, seen.statuses)
    assert.same({ 0, 0 }, { counts().reused, counts().revoked })
  end)

  it("logs out: the session is gone at the gateway and at the provider", function()
    browser { open = home }
    assert.equal(home .. "logged-out", (browser { submit = "document.querySelector('button').click()" }))
    picture "after the log-out"
    assert.equal(1, counts().revoked)
    local at = browser { open = home }
    assert.equal(1, at:find(provider.first .. "/interaction/", 1, true), at)
    if os.getenv "SCREENSHOT" then draw "doc/openid.png" end
  end)
end)
