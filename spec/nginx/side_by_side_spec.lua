-- Concurrent calls of one worker: of several requests, of light threads, of
-- refresh_sessions; also when nginx has no timer left for the driver.

local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"
local socket = require "socket"

local APP = 'local app = require "spec.nginx.app" '
local CALLS = 20

local LOCATIONS = [[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh()) } }
    location = /detached { content_by_lua_block { @APP@ app.say(app.refresh { detached = true }) } }
    location = /threads {
        content_by_lua_block {
            @APP@
            local threads, outcomes = {}, {}
            for i = 1, 5 do threads[i] = ngx.thread.spawn(app.refresh) end
            for i, thread in ipairs(threads) do outcomes[i] = select(2, ngx.thread.wait(thread)) end
            app.say(outcomes)
        }
    }
    location = /killed {
        content_by_lua_block {
            @APP@
            local first, second = ngx.thread.spawn(app.refresh), ngx.thread.spawn(app.refresh)
            app.wait_for_go()
            local killed, problem = ngx.thread.kill(first)
            app.say { killed = killed, problem = problem, second = select(2, ngx.thread.wait(second)) }
        }
    }
    location = /many {
        content_by_lua_block {
            @APP@
            local requests, progress = {}, {}
            for i = 1, 12 do requests[i] = app.request() end
            requests[7] = { encryption_public_key = app.public_key, kms_payload = "no JSON" }
            local results = app.client():refresh_sessions(requests, {
                concurrency = 6,
                on_progress = function(done, total) progress[#progress + 1] = done .. "/" .. total end,
            })
            local outcomes = {}
            for i = 1, 12 do outcomes[i] = app.outcome(results[i][1], results[i][2]) end
            app.say { outcomes = outcomes, progress = progress }
        }
    }
    location = /nested {
        content_by_lua_block {
            @APP@
            local nested
            local client = app.client { on_event = function(event)
                if event.name ~= "response" or nested then return end
                nested = {}
                ngx.sleep(0.01)
                nested = app.refresh()
            end }
            local outcome = app.refresh({ detached = true }, client)
            client:close()
            app.say { outcome, nested }
        }
    }
    location = /closed {
        content_by_lua_block {
            @APP@
            local client = app.client {}
            local plain = ngx.thread.spawn(app.refresh, nil, client)
            local detached = ngx.thread.spawn(app.refresh, { detached = true }, client)
            app.wait_for_go()
            client:close()
            app.say { select(2, ngx.thread.wait(plain)), select(2, ngx.thread.wait(detached)) }
        }
    }
    location = /closed_detached {
        content_by_lua_block {
            @APP@
            local client = app.client {}
            local detached = ngx.thread.spawn(app.refresh, { detached = true }, client)
            app.wait_for_go()
            client:close()
            app.say { select(2, ngx.thread.wait(detached)) }
        }
    }
    location = /exit {
        content_by_lua_block {
            @APP@
            local client = app.client { on_event = function(event)
                if event.name == "response" then ngx.exit(500) end
            end }
            local outcome = app.refresh({ detached = true }, client)
            client:close()
            app.say(outcome)
        }
    }
    location = /stumble {
        content_by_lua_block {
            @APP@
            local reactor = require "grid.http.reactor"
            local step = reactor.step
            reactor.step = function(engine)
                if not app.may_go() then return step(engine) end
                reactor.step = step
                error "stumbled"
            end
            local outcome = app.refresh()
            outcome.stumbled = reactor.step == step
            app.say(outcome)
        }
    }
    location = /go { content_by_lua_block { @APP@ app.go() } }
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]

local function locations() return (LOCATIONS:gsub("@APP@", APP)) end

local function decode(body) return require("spec.sandbox.json").decode(body) end

-- Begins a request to each path. The Grid side holds all answers back until it has the
-- request of each call: none of them waits for another one. -> outcomes
local function at_once(scene, paths)
  local requests, outcomes = {}, {}
  scene.sandbox:fault { kind = "delay", hold = true, count = #paths }
  for i, path in ipairs(paths) do requests[i] = scene.nginx:begin(path) end
  scene.sandbox:wait_held(#paths)
  scene.sandbox:release()
  for i, request in ipairs(requests) do outcomes[i] = decode(request:finish()) end
  return outcomes
end

local function repeated(path, count)
  local paths = {}
  for i = 1, count do paths[i] = path end
  return paths
end

-- The answers are held, so that nothing but the closing can end the calls.
local function assert_cancelled(scene, path, count)
  scene.sandbox:fault { kind = "delay", hold = true, count = count }
  local call = scene.nginx:begin(path)
  scene.sandbox:wait_held(count)
  scene.nginx:get "/go"
  local outcomes = decode(call:finish())
  scene.sandbox:release()
  assert.equal(count, #outcomes)
  for _, outcome in ipairs(outcomes) do
    assert.equal("cancelled", outcome.kind)
    assert.equal("unknown", outcome.sent)
  end
end

describe("calls of one worker", function()
  local scene

  setup(function() scene = scenes.start { locations = locations() } end)
  teardown(function() assert.is_nil(scene:stop()) end)

  before_each(function() scene.sandbox:control("DELETE", "/faults") end)

  local function assert_all_ok(outcomes, count)
    assert.equal(count, #outcomes)
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
  end

  for _, path in ipairs { "/refresh", "/detached" } do
    it("that different requests make wait side by side: " .. path, function()
      assert_all_ok(at_once(scene, repeated(path, CALLS)), CALLS)
    end)
  end

  it("leave the worker free to answer others", function()
    scene.sandbox:fault { kind = "delay", hold = true }
    local call = scene.nginx:begin "/refresh"
    scene.sandbox:wait_held(1)
    for _ = 1, 5 do assert.equal("ready", (scene.nginx:get "/ready")) end
    assert.equal(1, scene.sandbox:stats().held)
    scene.sandbox:release()
    assert.is_true(decode(call:finish()).ok)
  end)

  it("that light threads make wait side by side", function()
    scene.sandbox:fault { kind = "delay", hold = true, count = 5 }
    local call = scene.nginx:begin "/threads"
    scene.sandbox:wait_held(5)
    scene.sandbox:release()
    assert_all_ok(decode(call:finish()), 5)
  end)

  it("are not disturbed when a light thread is killed in the middle of its own", function()
    scene.sandbox:fault { kind = "delay", hold = true, count = 2 }
    local call = scene.nginx:begin "/killed"
    scene.sandbox:wait_held(2)
    scene.nginx:get "/go"
    scene.sandbox:release()
    local answer = decode(call:finish())
    assert.truthy(answer.killed, answer.problem)
    assert.is_true(answer.second.ok, answer.second.message)
  end)

  it("that refresh_sessions makes keep to its concurrency, its order and its progress", function()
    scene.sandbox:fault { kind = "delay", hold = true, count = 0 }
    local call = scene.nginx:begin "/many"
    for _, count in ipairs { 6, 5 } do -- of eleven, since the seventh cannot be sent
      scene.sandbox:wait_held(count)
      assert.equal(count, scene.sandbox:stats().held)
      scene.sandbox:release()
    end
    local answer = decode(call:finish())
    for i, outcome in ipairs(answer.outcomes) do
      if i == 7 then
        assert.equal("request", outcome.kind)
      else
        assert.is_true(outcome.ok, outcome.message)
      end
    end
    assert.equal(12, #answer.progress)
    assert.equal("12/12", answer.progress[12])
  end)

  it("end as cancelled when their client is closed, and at once", function()
    assert_cancelled(scene, "/closed", 2)
  end)

  it("go on while a handler of a detached one waits, which may make a call itself", function()
    scene = scenes.start { locations = locations() }
    scene.sandbox:fault { kind = "delay", hold = true, skip = 1 }
    local call = scene.nginx:begin "/nested"
    scene.sandbox:wait_held(1) -- that of the handler
    assert.is_true(scene:ask("/detached").ok)
    scene.sandbox:release()
    local outcomes = decode(call:finish())
    assert.is_true(outcomes[1].ok, outcomes[1].message)
    assert.is_true(outcomes[2].ok, outcomes[2].message)
    assert.is_true(scene:ask("/refresh").ok)
  end)

  it("end as cancelled when their client is closed and the driver has no other call", function()
    assert_cancelled(scene, "/closed_detached", 1)
  end)
end)

describe("calls of a worker", function()
  local scene
  after_each(function()
    if scene then scene:stop() end
    scene = nil
  end)

  local function assert_served()
    local outcomes = at_once(scene, { "/refresh", "/detached", "/refresh", "/detached" })
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
  end

  it("go on where all timers that may run at once are taken", function()
    scene = scenes.start { locations = locations(), http = [[
      lua_max_running_timers 1;
      init_worker_by_lua_block { ngx.timer.at(0, function() ngx.sleep(60) end) } ]] }
    assert_served()
  end)

  it("go on where no timer may be asked for", function()
    scene = scenes.start { locations = locations(), http = [[
      lua_max_pending_timers 1;
      init_worker_by_lua_block { ngx.timer.at(60, function() end) } ]] }
    assert_served()
    assert_cancelled(scene, "/closed", 2)
    assert_cancelled(scene, "/closed_detached", 1)
  end)

  -- As keeper:start has one; a timer is left for another one after so many threads.
  it("go on where the only timer that may run has a thread that does not end", function()
    scene = scenes.start { http = "lua_max_running_timers 1;", locations = [[
      location = /spawned {
        content_by_lua_block {
          local host, semaphore = require "grid.host.nginx", require("ngx.semaphore").new()
          host.spawn(ngx.sleep, 60)
          local late = 0
          for _ = 1, 2500 do
            host.spawn(semaphore.post, semaphore, 1)
            if late < 20 and not semaphore:wait(0.15) then late = late + 1 end
          end
          ngx.print(late)
        }
      }]] }
    assert.is_true(tonumber((scene.nginx:get "/spawned")) <= 4)
  end)

  it("go on when the driver has stopped by an error", function()
    scene = scenes.start { locations = locations() }
    scene.sandbox:fault { kind = "delay", hold = true }
    local call = scene.nginx:begin "/stumble"
    scene.sandbox:wait_held(1)
    scene.nginx:get "/go"
    assert.is_true(nginx.wait_for(30, function() return scene.nginx:log():find("the driver stopped: .*stumbled") end))
    scene.sandbox:release()
    local outcome = decode(call:finish())
    assert.is_true(outcome.ok, outcome.message)
    assert.is_true(outcome.stumbled)
  end)

  it("go on when a handler of a detached one has called ngx.exit, which ends the timer of all", function()
    scene = scenes.start { locations = locations() }
    scene.sandbox:fault { kind = "delay", hold = true, count = 2 }
    local calls = { scene.nginx:begin "/refresh", scene.nginx:begin "/detached" }
    scene.sandbox:wait_held(2)
    assert.is_true(scene:ask("/exit").ok)
    scene.sandbox:release()
    for _, call in ipairs(calls) do
      local outcome = decode(call:finish())
      assert.is_true(outcome.ok, outcome.message)
    end
  end)

  it("go on when such a handler has ended the driver, its caller has gone away, and no further call begins", function()
    scene = scenes.start { locations = locations(), check_client_abort = true }
    scene.sandbox:fault { kind = "delay", hold = true }
    local call = scene.nginx:begin("/refresh", "--max-time 20")
    scene.sandbox:wait_held(1)
    scene.sandbox:fault { kind = "delay", answer_delay = 0.5 }
    assert.equal(0, select(2, scene.nginx:get("/exit", "--max-time 0.2")))
    socket.sleep(1)
    scene.sandbox:release()
    local outcome = decode(call:finish())
    assert.is_true(outcome.ok, outcome.message)
  end)

  it("use one timer, however many of them are detached", function()
    scene = scenes.start { locations = locations(), http = "lua_max_running_timers 1;" }
    local outcomes = at_once(scene, repeated("/detached", CALLS))
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
    assert.is_nil(scene:stop())
    scene = nil
  end)
end)
