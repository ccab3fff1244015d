-- A worker under valgrind: calls of all kinds and ends, refreshes of a keeper, and the
-- example gateway, then a TERM, and memcheck has nothing to say. No part of the usual
-- suite: `make valgrind` runs it. memcheck is slow, so nothing here measures time.

local files = require "spec.support.files"
local http = require "socket.http"
local keeper_scenes = require "spec.nginx.keeper_scene"
local nginx = require "spec.support.nginx"
local oauth_server = require "spec.support.oauth_server"
local openid_gateway = require "spec.nginx.openid_gateway"
local scenes = require "spec.nginx.scene"

local MEMCHECK = "valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite "
  .. "--suppressions=spec/support/valgrind.supp --suppressions=spec/nginx/valgrind.supp"

local LOCATIONS = ([[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh { timeout = 20 }) } }
    location = /detached { content_by_lua_block { @APP@ app.say(app.refresh { timeout = 20, detached = true }) } }
    location = /short { content_by_lua_block { @APP@ app.say(app.refresh { timeout = 0.3 }) } }
    location = /many {
        content_by_lua_block {
            @APP@
            local requests = {}
            for i = 1, 30 do requests[i] = app.request() end
            app.say { count = #app.client():refresh_sessions(requests, { concurrency = 10 }) }
        }
    }
    location = /killed {
        content_by_lua_block {
            @APP@
            local thread = ngx.thread.spawn(app.refresh)
            ngx.sleep(0.05)
            ngx.thread.kill(thread)
            collectgarbage()
            app.say(app.refresh { timeout = 20 })
        }
    }
    location = /closed {
        content_by_lua_block {
            @APP@
            local client = app.client {}
            local plain = ngx.thread.spawn(app.refresh, nil, client)
            local detached = ngx.thread.spawn(app.refresh, { detached = true }, client)
            ngx.sleep(0.05)
            client:close()
            app.say { select(2, ngx.thread.wait(plain)), select(2, ngx.thread.wait(detached)) }
        }
    }
    location = /timers {
        content_by_lua_block { @APP@ app.say { count = ngx.timer.running_count() + ngx.timer.pending_count() } }
    }
    location = /left_in_flight {
        content_by_lua_block {
            @APP@
            ngx.timer.at(0, function() app.refresh { timeout = 60 } end)
            ngx.timer.at(0, function() app.refresh { timeout = 60, detached = true } end)
        }
    }]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

local FAULTS = {
  { kind = "drop" }, { kind = "drop", execute = true }, { kind = "drop", reset = true, execute = true },
  { kind = "drop", stream = true, execute = true }, { kind = "truncate" }, { kind = "huge" }, { kind = "deep" },
  { kind = "non_utf8" }, { kind = "trailing" }, { kind = "missing_payload" }, { kind = "wrong_types" }, { kind = "empty" },
  { kind = "html" }, { kind = "headers" }, { kind = "redirect" }, { kind = "status", status = 401 },
  { kind = "status", status = 503, retry_after = 1 }, { kind = "status", status = 410 },
}

-- A TERM that comes between nginx's last look at its signals and its epoll_wait ends
-- neither: the one process of an nginx without a master sleeps on until the next event
-- (with a master, the master's message is that event). Valgrind keeps a signal back until
-- the next system call, so there all of what nginx does before it sleeps counts as
-- between, and closing a Lua state takes it long.
local function terminate(server)
  server:signal "TERM"
  server:get("/ready", "--max-time 10") -- the next event; no answer is needed
  return server:wait()
end

local function await_timers(scene)
  for _ = 1, 600 do
    if scene:ask("/timers").count == 0 then return end
    os.execute "sleep 0.1"
  end
  error "timers still run after a minute"
end

for name, code_cache in pairs { ["with the code cache"] = true, ["without the code cache"] = false } do
  describe("a worker under memcheck, " .. name .. ",", function()
    local scene

    setup(function()
      scene = scenes.start { locations = LOCATIONS, master = false, code_cache = code_cache, check_client_abort = true,
        under = MEMCHECK }
    end)

    it("makes calls of all kinds and ends, and reads nothing wrong and loses nothing", function()
      assert.is_true(scene:ask("/refresh").ok)
      assert.is_true(scene:ask("/detached").ok)
      assert.equal(30, scene:ask("/many").count)
      for i, fault in ipairs(FAULTS) do
        scene.sandbox:fault(fault)
        local outcome = scene:ask(i % 2 == 0 and "/refresh" or "/detached")
        assert.truthy(outcome.ok or outcome.kind)
      end
      scene.sandbox:fault { kind = "delay", delay = 1, count = 0 }
      assert.equal("timeout", scene:ask("/short").kind)
      for _, path in ipairs { "/refresh", "/detached", "/many" } do scene.nginx:get(path, "--max-time 0.3") end
      assert.is_true(scene:ask("/killed").ok)
      local closed = scene:ask "/closed"
      assert.equal(2, #closed, closed.body)
      for _, outcome in ipairs(closed) do assert.equal("cancelled", outcome.kind) end
      -- Without the code cache, ngx_lua writes an alert for each semaphore that has a
      -- waiter when the worker ends, so the aborted calls must have ended before.
      if code_cache then scene.nginx:get "/left_in_flight" else await_timers(scene) end
      local code = terminate(scene.nginx)
      local said = files.read(scene.nginx.dir .. "/stderr")
      assert.equal(0, code, said)
      assert.is_nil(scene:stop())
    end)

    teardown(function()
      if scene.nginx.dir then scene:stop() end
    end)
  end)
end

describe("a worker under memcheck, with a keeper,", function()
  local scene

  teardown(function()
    if scene and scene.nginx.dir then scene:stop() end
  end)

  it("adds, refreshes, waits, loses callers and ends in mid-exchange, and reads nothing wrong and loses nothing", function()
    scene = keeper_scenes.start {
      master = false, check_client_abort = true, under = MEMCHECK, mode = "idempotent",
      http = 'init_worker_by_lua_block { assert(require("spec.nginx.keeper_app").keeper:start { every = 1 }) }',
    }
    local id = scene:add()
    assert.is_true(scene:ask("/get?timeout=60&id=" .. id).ok)
    assert.is_true(scene:ask("/guarded?id=" .. id).ok)
    assert.is_true(scene:ask("/add?id=new&token=" .. scene.oauth:family().refresh_token).ok)
    assert.is_true(scene:ask("/remove?id=new").ok)
    assert.equal("not_found", scene:ask("/get?id=new").code)
    for _, fault in ipairs { { kind = "drop", execute = true }, { kind = "truncate", execute = true }, { kind = "html" } } do
      scene.oauth:fault(fault)
      local outcome = scene:ask("/refresh?id=" .. id)
      assert.truthy(outcome.ok or outcome.kind)
    end
    scene.oauth:control("DELETE", "/faults")
    scene.oauth:fault { kind = "delay", hold = true, count = 2 }
    local ids = { scene:add(), scene:add() }
    for i = 1, 2 do scene.nginx:get("/get?timeout=60&id=" .. ids[i], "--max-time 0.5") end
    scene.oauth:wait_held(2)
    local code = terminate(scene.nginx)
    assert.equal(0, code, files.read(scene.nginx.dir .. "/stderr"))
    scene.oauth:release()
    for i = 1, 2 do assert.equal(2, assert(scene:keeper():get(ids[i])).generation) end
    assert.is_nil(scene:stop())
  end)
end)

describe("the example gateway for OpenID Connect under memcheck", function()
  local provider, program, gateway

  teardown(function()
    for _, server in ipairs { gateway, program, provider } do server:stop() end
  end)

  -- -> status, headers. Cookies are kept in `cookies`, and sent.
  local function ask(url, cookies, method)
    local parts = {}
    for name, value in pairs(cookies) do parts[#parts + 1] = name .. "=" .. value end
    local _, status, headers = http.request {
      url = url, method = method or "GET", headers = { accept = "text/html", cookie = table.concat(parts, "; ") }, redirect = false,
    }
    for name, value in (headers["set-cookie"] or ""):gmatch "(__Host%-[%w_-]+)=([%w_.-]*);" do
      cookies[name] = value ~= "" and value or nil
    end
    return status, headers
  end

  local function log_in(cookies)
    local _, at_gateway = ask(gateway.http .. "/login", cookies)
    local _, at_provider = ask(at_gateway.location, {})
    return (ask(at_provider.location:gsub("^http://gateway%.example", gateway.http), cookies))
  end

  it("turns visitors away, logs in, refreshes and logs out, and reads nothing wrong and loses nothing", function()
    http.TIMEOUT = 60
    provider = oauth_server.share { mode = "strict" }
    program = nginx.start { locations = "location / { return 200; }" }
    gateway = openid_gateway.start {
      issuer = provider.issuer, secret = provider.client_secret, program = program.port, under = MEMCHECK,
      changes = { { "worker_processes 2;", "master_process off;" } },
    }
    local cookies = {}
    assert.equal(302, (ask(gateway.http .. "/", cookies)))
    assert.equal(400, (ask(gateway.http .. "/callback?state=x&code=y", cookies)))
    assert.equal(303, log_in(cookies))
    for _ = 1, 5 do assert.equal(200, (ask(gateway.http .. "/", cookies))) end
    for _ = 1, 3 do
      provider:set { token_lifetime = 1 }
      assert.equal(303, log_in(cookies))
      os.execute "sleep 1.1"
      provider:set { token_lifetime = 3600 }
      assert.equal(200, (ask(gateway.http .. "/", cookies)))
    end
    assert.equal(3, provider:counts().rotations)
    assert.equal(200, (ask(gateway.http .. "/metrics", cookies)))
    assert.equal(303, (ask(gateway.http .. "/logout", cookies, "POST")))
    assert.equal(0, terminate(gateway), files.read(gateway.dir .. "/stderr"))
  end)
end)
