-- Processes of nginx: before and after the fork, at each signal, and without the code
-- cache.

local json = require "spec.sandbox.json"
local nginx = require "spec.support.nginx"
local proc = require "spec.support.proc"
local scenes = require "spec.nginx.scene"

local APP = 'local app = require "spec.nginx.app" '
local DELAY = 0.6

local LOCATIONS = ([[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh()) } }
    location = /late { content_by_lua_block { ngx.sleep(1) @APP@ app.say(app.refresh()) } }
    location = /whoami {
        content_by_lua_block {
            @APP@
            local outcome = app.refresh(nil, client_from_init)
            outcome.worker = ngx.worker.pid()
            outcome.blocks = require("grid.core").live()
            app.say(outcome)
        }
    }
    location = /timer {
        content_by_lua_block {
            @APP@
            ngx.timer.at(0, function()
                local outcome = app.refresh()
                ngx.log(ngx.NOTICE, "the timer's call: ", tostring(outcome.ok or outcome.code))
            end)
            ngx.print "begun"
        }
    }
    location = /spawn_at_quit {
        content_by_lua_block {
            local ffi, spawn = require "ffi", require("grid.host.nginx").spawn
            pcall(ffi.cdef, "int kill(int pid, int signal); int getpid(void);")
            spawn(function() end) -- the first timer of a worker is another one
            ngx.sleep(0.3)
            local semaphore = require("ngx.semaphore").new()
            local thread = ngx.thread.spawn(function()
                semaphore:wait(10)
                ffi.C.kill(ffi.C.getpid(), 3)
                spawn(function() end)
            end)
            semaphore:post(1) -- ends the wait behind the timers that are due, and right before the signal is noticed
            ngx.thread.wait(thread)
        }
    }]]):gsub("@APP@", APP)

local BEFORE_THE_FORK = [[
    init_by_lua_block {
        client_from_init = require("spec.nginx.app").client {}
    }]]

local function start(options)
  options.locations = LOCATIONS
  return scenes.start(options)
end

local function list(path)
  local entries, pipe = {}, io.popen("ls -l " .. path .. " 2>/dev/null")
  for line in pipe:lines() do entries[#entries + 1] = line end
  pipe:close()
  return table.concat(entries, "\n")
end

describe("nginx", function()
  local scene

  after_each(function()
    local problem = scene and scene:stop()
    scene = nil
    assert.is_nil(problem)
  end)

  local function delay_answers(seconds)
    scene.sandbox:fault { kind = "delay", delay = seconds or DELAY, count = 0 }
  end

  local function assert_ok(body)
    local outcome = json.decode(body)
    assert.is_true(outcome and outcome.ok, body)
  end

  -- A QUIT that comes so many seconds after the request lets it finish.
  local function assert_ends_after(path, seconds)
    local request = scene.nginx:begin(path)
    os.execute("sleep " .. seconds)
    scene.nginx:signal "QUIT"
    assert_ok(request:finish())
    assert.equal(0, scene.nginx:wait())
  end

  it("may make a client before the fork: libcurl does not start there, and every worker gets an engine of its own", function()
    scene = start { workers = 3, http = BEFORE_THE_FORK, listen = "reuseport" }
    assert.equal(1, proc.threads(scene.nginx.pid))
    assert.falsy(list("/proc/" .. scene.nginx.pid .. "/fd"):find "eventpoll")
    assert.falsy(list("/proc/" .. scene.nginx.pid .. "/fd"):find "eventfd")
    local seen, count = {}, 0
    nginx.wait_for(10, function()
      local outcome = scene:ask "/whoami"
      assert.is_true(outcome.ok, outcome.message)
      if not seen[outcome.worker] then count = count + 1 end
      seen[outcome.worker] = true
      return count == 3
    end)
    assert.equal(3, count)
    assert.equal(1, proc.threads(scene.nginx.pid))
  end)

  it("lets many workers call at once", function()
    scene = start { workers = 3, http = BEFORE_THE_FORK }
    delay_answers()
    local requests = {}
    for i = 1, 12 do requests[i] = scene.nginx:begin "/whoami" end
    for i = 1, 12 do assert_ok(requests[i]:finish()) end
  end)

  it("works without the code cache, where every request has a Lua state of its own", function()
    scene = start { code_cache = false }
    for _ = 1, 5 do assert_ok(scene.nginx:get "/refresh") end
    delay_answers()
    local requests = {}
    for i = 1, 5 do requests[i] = scene.nginx:begin "/refresh" end
    for i = 1, 5 do assert_ok(requests[i]:finish()) end
  end)

  it("lets calls in flight finish when it reloads, and goes on in new workers", function()
    scene = start { workers = 2, http = BEFORE_THE_FORK }
    delay_answers()
    local before = scene.nginx:workers()
    local requests = {}
    for i = 1, 6 do requests[i] = scene.nginx:begin "/whoami" end
    os.execute "sleep 0.2"
    scene.nginx:signal "HUP"
    for i = 1, 6 do assert_ok(requests[i]:finish()) end
    assert_ok(scene.nginx:get "/whoami")
    assert.is_true(scene.nginx:has_replaced(before))
  end)

  it("reloads ten times under load, and no request gets anything but its answer", function()
    scene = start { workers = 2, http = BEFORE_THE_FORK }
    delay_answers(0.05)
    for _ = 1, 10 do
      local requests = {}
      for i = 1, 6 do requests[i] = scene.nginx:begin "/whoami" end
      scene.nginx:signal "HUP"
      for i = 1, 6 do assert_ok(requests[i]:finish()) end
    end
  end)

  it("lets a call in flight finish before it quits", function()
    scene = start {}
    delay_answers()
    assert_ends_after("/refresh", 0.2)
  end)

  it("lets a worker make its first call of all while it quits", function()
    scene = start {}
    assert_ends_after("/late", 0.3)
  end)

  it("lets the call of a timer finish before it quits", function()
    scene = start {}
    delay_answers()
    assert.equal("begun", (scene.nginx:get "/timer"))
    os.execute "sleep 0.2"
    scene.nginx:signal "QUIT"
    assert.equal(0, scene.nginx:wait())
    assert.truthy(scene.nginx:log():find("the timer's call: true", 1, true))
  end)

  it("ends when a function was spawned right before a QUIT, and has nothing to wait for", function()
    scene = start {}
    local before = scene.nginx:workers()
    scene.nginx:get "/spawn_at_quit"
    assert.is_true(scene.nginx:has_replaced(before))
  end)

  -- nginx closes its clients' connections then, but lets Lua's timers run: the answer
  -- with the new tokens still comes in.
  it("brings a call in flight to its end even when worker_shutdown_timeout is over before", function()
    scene = start { main = "worker_shutdown_timeout 200ms;" }
    scene.sandbox:fault { kind = "delay", hold = true, count = 0 }
    scene.nginx:get "/timer"
    local request = scene.nginx:begin "/refresh"
    assert.is_true(nginx.wait_for(10, function() return scene.sandbox:stats().held == 2 end))
    scene.nginx:signal "QUIT"
    assert.equal(0, (select(2, request:finish())))
    scene.sandbox:release()
    assert.equal(0, scene.nginx:wait())
    assert.truthy(scene.nginx:log():find("the timer's call: true", 1, true))
  end)

  it("ends at once and cleanly on TERM, with calls in flight", function()
    scene = start { workers = 2, http = BEFORE_THE_FORK }
    delay_answers(8)
    local requests = {}
    for i = 1, 6 do requests[i] = scene.nginx:begin "/whoami" end
    os.execute "sleep 0.2"
    local started = os.time()
    scene.nginx:signal "TERM"
    for i = 1, 6 do requests[i]:finish() end
    assert.equal(0, scene.nginx:wait())
    assert.is_true(os.time() - started <= 2)
    assert.falsy(scene.nginx:log():find "core dumped")
  end)
end)
