-- Calls of one worker run side by side: those of different requests, of light threads, of refresh_sessions; and go on when
-- nginx has no timer left for the driver.

local scenes = require "spec.nginx.scene"

local APP = 'local app = require "spec.nginx.app" '
local DELAY = 0.3 -- seconds that the Grid side takes for each answer
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
            ngx.sleep(0.05)
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
            ngx.sleep(0.15)
            client:close()
            app.say { select(2, ngx.thread.wait(plain)), select(2, ngx.thread.wait(detached)) }
        }
    }
    location = /closed_detached {
        content_by_lua_block {
            @APP@
            local client = app.client {}
            local detached = ngx.thread.spawn(app.refresh, { detached = true }, client)
            ngx.sleep(0.15)
            client:close()
            app.say { select(2, ngx.thread.wait(detached)) }
        }
    }
    location = /stumble {
        content_by_lua_block {
            @APP@
            local flights = require "grid.flight"
            local step, started = flights.step, ngx.now()
            flights.step = function(engine)
                ngx.update_time()
                if ngx.now() - started < 0.15 then return step(engine) end
                flights.step = step
                error "stumbled"
            end
            local outcome = app.refresh()
            outcome.stumbled = flights.step == step
            app.say(outcome)
        }
    }
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]

local function locations() return (LOCATIONS:gsub("@APP@", APP)) end

-- Begins a request to each path, all at once, and waits for them all. -> outcomes, seconds of the slowest
local function at_once(scene, paths)
  local requests, outcomes, slowest = {}, {}, 0
  for i, path in ipairs(paths) do requests[i] = scene.nginx:begin(path) end
  for i, request in ipairs(requests) do
    local body, _, seconds = request:finish()
    outcomes[i] = require("spec.sandbox.json").decode(body)
    slowest = math.max(slowest, seconds)
  end
  return outcomes, slowest
end

local function repeated(path, count)
  local paths = {}
  for i = 1, count do paths[i] = path end
  return paths
end

local function assert_cancelled(scene, path, count)
  local outcomes, seconds = scene:ask(path)
  assert.equal(count, #outcomes, outcomes.body)
  for _, outcome in ipairs(outcomes) do
    assert.equal("cancelled", outcome.kind)
    assert.equal("unknown", outcome.sent)
  end
  assert.is_true(seconds < DELAY, "took " .. seconds)
end

describe("calls of one worker", function()
  local scene

  setup(function() scene = scenes.start { locations = locations() } end)
  teardown(function() assert.is_nil(scene:stop()) end)

  before_each(function()
    scene.sandbox:control("DELETE", "/faults")
    scene.sandbox:fault { kind = "delay", delay = DELAY, count = 0 }
  end)

  local function assert_all_ok(outcomes, count)
    assert.equal(count, #outcomes)
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
  end

  for _, path in ipairs { "/refresh", "/detached" } do
    it("that different requests make take one delay together: " .. path, function()
      local outcomes, slowest = at_once(scene, repeated(path, CALLS))
      assert_all_ok(outcomes, CALLS)
      assert.is_true(slowest >= DELAY and slowest < 3 * DELAY, "took " .. slowest)
    end)
  end

  it("leave the worker free to answer others", function()
    local call = scene.nginx:begin "/refresh"
    local slowest = 0
    for _ = 1, 5 do
      local body, _, seconds = scene.nginx:get "/ready"
      assert.equal("ready", body)
      slowest = math.max(slowest, seconds)
    end
    local _, _, whole = call:finish()
    assert.is_true(whole >= DELAY and slowest < DELAY / 3, ("%g and %g"):format(whole, slowest))
  end)

  it("that light threads make take one delay together", function()
    local outcomes, seconds = scene:ask "/threads"
    assert_all_ok(outcomes, 5)
    assert.is_true(seconds < 3 * DELAY, "took " .. seconds)
  end)

  it("are not disturbed when a light thread is killed in the middle of its own", function()
    local answer = scene:ask "/killed"
    assert.truthy(answer.killed, answer.problem)
    assert.is_true(answer.second.ok, answer.second.message)
  end)

  it("that refresh_sessions makes keep to its concurrency, its order and its progress", function()
    local answer, seconds = scene:ask "/many"
    for i, outcome in ipairs(answer.outcomes) do
      if i == 7 then
        assert.equal("request", outcome.kind)
      else
        assert.is_true(outcome.ok, outcome.message)
      end
    end
    assert.equal(12, #answer.progress)
    assert.equal("12/12", answer.progress[12])
    assert.is_true(seconds >= 2 * DELAY and seconds < 5 * DELAY, "took " .. seconds)
  end)

  it("end as cancelled when their client is closed, and at once", function()
    assert_cancelled(scene, "/closed", 2)
  end)

  it("go on while a handler of a detached one waits, which may make a call itself", function()
    scene = scenes.start { locations = locations() }
    local outcomes, seconds = scene:ask "/nested"
    assert.is_true(outcomes[1].ok, outcomes[1].message)
    assert.is_true(outcomes[2].ok, outcomes[2].message)
    assert.is_true(seconds < 2, "took " .. seconds)
    assert.is_true(scene:ask("/refresh").ok)
  end)

  it("end as cancelled when their client is closed and the driver has nobody else to carry", function()
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
    local outcomes, slowest = at_once(scene, { "/refresh", "/detached", "/refresh", "/detached" })
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
    assert.is_true(slowest < 2, "took " .. slowest)
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
    scene.sandbox:fault { kind = "delay", delay = DELAY, count = 0 }
    assert_cancelled(scene, "/closed", 2)
    assert_cancelled(scene, "/closed_detached", 1)
  end)

  it("go on when the driver has stopped by an error", function()
    scene = scenes.start { locations = locations() }
    scene.sandbox:fault { kind = "delay", delay = DELAY }
    local outcome, seconds = scene:ask "/stumble"
    assert.is_true(outcome.ok, outcome.message)
    assert.is_true(outcome.stumbled)
    assert.is_true(seconds < 2, "took " .. seconds)
    assert.truthy(scene.nginx:log():find("the driver stopped: .*stumbled"))
  end)

  it("use one timer, however many of them are detached", function()
    scene = scenes.start { locations = locations(), http = "lua_max_running_timers 1;" }
    scene.sandbox:fault { kind = "delay", delay = DELAY, count = 0 }
    local outcomes, slowest = at_once(scene, repeated("/detached", CALLS))
    for _, outcome in ipairs(outcomes) do assert.is_true(outcome.ok, outcome.message) end
    assert.is_true(slowest < 3 * DELAY, "took " .. slowest)
    assert.is_nil(scene:stop())
    scene = nil
  end)
end)
