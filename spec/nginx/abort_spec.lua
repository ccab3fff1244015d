-- Clients that close the connection, with lua_check_client_abort on: nginx ends their
-- requests, and no other.

local nginx = require "spec.support.nginx"
local scenes = require "spec.nginx.scene"

local DELAY = 0.5
local IMPATIENT = "--max-time 0.15" -- of curl: goes away before the answer

local LOCATIONS = ([[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh(nil, told)) } }
    location = /detached { content_by_lua_block { @APP@ app.say(app.refresh({ detached = true }, told)) } }
    location = /many {
        content_by_lua_block {
            @APP@
            local requests = {}
            for i = 1, 20 do requests[i] = app.request() end
            app.say { count = #app.client():refresh_sessions(requests, { concurrency = 10 }) }
        }
    }
    location = /threads {
        content_by_lua_block {
            @APP@
            for _ = 1, 5 do ngx.thread.spawn(app.refresh) end
            app.say(app.refresh())
        }
    }
    location = /killed {
        content_by_lua_block {
            @APP@
            local thread = ngx.thread.spawn(app.refresh, { timeout = 60 })
            ngx.sleep(0.1)
            ngx.thread.kill(thread)
            app.say {}
        }
    }
    location = /long { content_by_lua_block { @APP@ app.say(app.refresh { timeout = 60 }) } }
    location = /long_detached { content_by_lua_block { @APP@ app.say(app.refresh { timeout = 60, detached = true }) } }
    location = /long_many {
        content_by_lua_block {
            @APP@
            local requests = {}
            for i = 1, 20 do requests[i] = app.request() end
            app.say { count = #app.client { timeout = 60 }:refresh_sessions(requests, { concurrency = 10 }) }
        }
    }
    location = /uncollected {
        content_by_lua_block {
            @APP@
            if ngx.var.arg_collect then collectgarbage(ngx.var.arg_collect) end
            local engine = require("grid.core").engine()
            app.say { in_flight = engine:in_flight(), timers = ngx.timer.running_count(), blocks = require("grid.core").live() }
            engine:close()
        }
    }
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

-- A client that writes into the log how its tries end.
local HTTP = [[
    init_by_lua_block {
        told = require("spec.nginx.app").client {
            on_event = function(event)
                if event.name ~= "response" then return end
                ngx.log(ngx.NOTICE, "response ", event.idempotency_key, " ", tostring(event.status or event.code))
                if not event.abandoned or not event.result then return end
                ngx.sleep(0.01) -- saving may wait
                local payload = event.result.kms_payload_json
                local dump = require("cjson").encode(event)
                ngx.log(ngx.NOTICE, "abandoned ", event.idempotency_key, " ", #payload, " bytes to save, ",
                    (dump:find("token", 1, true) or dump:find("Privy", 1, true)) and "shown" or "hidden")
            end,
        }
    }]]

describe("a client that goes away", function()
  local scene

  setup(function()
    scene = scenes.start { locations = LOCATIONS, http = HTTP, check_client_abort = true }
  end)

  teardown(function() assert.is_nil(scene:stop()) end)

  before_each(function()
    scene.sandbox:control("DELETE", "/faults")
    scene.sandbox:control("DELETE", "/stats")
    scene:ask "/refresh"
    scene:ask "/detached"
    scene.sandbox:fault { kind = "delay", answer_delay = DELAY, count = 0 }
  end)

  local function abandon(path)
    local _, status = scene.nginx:get(path, IMPATIENT)
    assert.equal(0, status)
  end

  local function responses()
    return select(2, scene.nginx:log():gsub("response %S+ 200", ""))
  end

  -- Answers that only on_event was told of, whole enough to be saved, and hidden from a
  -- dump.
  local function answers_saved()
    return select(2, scene.nginx:log():gsub("abandoned %S+ %d%d%d+ bytes to save, hidden", ""))
  end

  local function assert_back_to(before)
    assert.is_true(scene:is_back_to(before))
  end

  it("does not take the answer of its call with it, which on_event is told of, and disturbs no other", function()
    local before, told, saved = scene:ask "/counters", responses(), answers_saved()
    local patient = scene.nginx:begin "/refresh"
    abandon "/refresh"
    assert.truthy(patient:finish():find '"ok":true')
    assert_back_to(before)
    assert.equal(told + 2, responses())
    assert.equal(saved + 1, answers_saved())
  end)

  it("leaves to on_event as many answers as there are calls", function()
    local saved = answers_saved()
    for _ = 1, 5 do abandon "/refresh" end
    assert.is_true(nginx.wait_for(10, function() return answers_saved() == saved + 5 end))
  end)

  it("does not keep a detached call from running to its end", function()
    local before, told = scene:ask "/counters", responses()
    local executed = scene.sandbox:stats().executions
    abandon "/detached"
    assert.is_true(nginx.wait_for(10, function() return responses() == told + 1 end))
    assert.equal(executed + 1, scene.sandbox:stats().executions)
    assert_back_to(before)
  end)

  it("leaves the answer of a detached call to on_event", function()
    local saved = answers_saved()
    abandon "/detached"
    assert.is_true(nginx.wait_for(10, function() return answers_saved() == saved + 1 end))
  end)

  it("does not keep a detached call from its next try", function()
    local told = responses()
    scene.sandbox:control("DELETE", "/faults")
    scene.sandbox:fault { kind = "status", status = 503, retry_after = 1 }
    abandon "/detached"
    assert.is_true(nginx.wait_for(10, function() return responses() == told + 1 end))
  end)

  for _, path in ipairs { "/many", "/threads" } do
    it("takes all its calls with it: " .. path, function()
      local before = scene:ask "/counters"
      abandon(path)
      assert_back_to(before)
      assert.truthy(scene.nginx:get("/refresh"):find '"ok":true')
    end)
  end

  it("may come in crowds", function()
    local before = scene:ask "/counters"
    for _ = 1, 3 do
      local patient, crowd = {}, {}
      for i = 1, 20 do
        crowd[2 * i - 1] = scene.nginx:begin("/refresh", IMPATIENT)
        crowd[2 * i] = scene.nginx:begin("/detached", IMPATIENT)
        patient[i] = scene.nginx:begin(i % 2 == 0 and "/refresh" or "/detached")
      end
      for _, request in ipairs(crowd) do request:finish() end
      for _, request in ipairs(patient) do assert.truthy(request:finish():find '"ok":true') end
    end
    assert_back_to(before)
  end)

  describe("leaves calls behind, and the collector does not run:", function()
    before_each(function()
      scene:ask "/uncollected?collect=stop"
      scene.sandbox:control("DELETE", "/faults")
    end)

    after_each(function()
      scene:ask "/uncollected?collect=restart"
      scene.sandbox:control("DELETE", "/faults")
    end)

    local function are_given_up()
      return nginx.wait_for(10, function()
        local left = scene:ask "/uncollected"
        return left.in_flight == 0 and left.timers == 0
      end)
    end

    for _, path in ipairs { "/long", "/long_many" } do
      it("they are given up soon: " .. path, function()
        scene.sandbox:fault { kind = "delay", answer_delay = 30, count = 0 }
        for _ = 1, 4 do abandon(path) end
        assert.is_true(are_given_up())
      end)
    end

    it("their answers leave no memory behind", function()
      scene.sandbox:fault { kind = "delay", answer_delay = DELAY, count = 0 }
      abandon "/threads"
      assert.is_true(are_given_up())
      local before = scene:ask("/uncollected").blocks
      for _ = 1, 3 do
        abandon "/threads"
        assert.is_true(are_given_up())
      end
      assert.is_true(scene:ask("/uncollected").blocks <= before + 1)
    end)

    it("so is that of a thread that was killed", function()
      scene.sandbox:fault { kind = "delay", answer_delay = 30, count = 0 }
      assert.same({}, (scene:ask "/killed"))
      assert.is_true(are_given_up())
    end)

    it("calls that are waited for, and detached ones, come to their end", function()
      local told = responses()
      scene.sandbox:fault { kind = "delay", answer_delay = 3, count = 0 } -- the driver looks round more than once
      local patient, many = scene.nginx:begin "/long", scene.nginx:begin "/long_many"
      abandon "/detached"
      abandon "/long"
      assert.truthy(patient:finish():find '"ok":true')
      assert.equal('{"count":20}', (many:finish()))
      assert.is_true(are_given_up())
      assert.equal(told + 1, responses()) -- /long uses a client without on_event
    end)
  end)
end)

describe("a worker that is asked to end", function()
  it("does not wait for the calls of clients that have gone away", function()
    local scene = scenes.start { locations = LOCATIONS, http = HTTP, check_client_abort = true }
    scene.sandbox:fault { kind = "delay", answer_delay = 60, count = 0 }
    for _ = 1, 4 do scene.nginx:get("/long", IMPATIENT) end
    scene.nginx:signal "QUIT"
    local code = scene.nginx:wait() -- nothing, if it goes on after 20 seconds
    local problem = scene:stop()
    assert.equal(0, code)
    assert.is_nil(problem)
  end)
end)

describe("a client that goes away where nginx has no timer", function()
  it("leaves the answer of its call to on_event, while other calls wait, and no memory behind", function()
    local scene = scenes.start { locations = LOCATIONS, check_client_abort = true, http = HTTP .. [[
      lua_max_pending_timers 1;
      init_worker_by_lua_block { ngx.timer.at(600, function() end) }
    ]] }
    for _ = 1, 2 do scene:ask "/refresh" end
    local before = scene:ask("/counters").blocks
    scene.sandbox:fault { kind = "delay", answer_delay = DELAY, count = 0 }
    for _ = 1, 5 do scene.nginx:get("/refresh", IMPATIENT) end
    local saved
    local is_saved = nginx.wait_for(1, function()
      scene:ask "/refresh"
      saved = select(2, scene.nginx:log():gsub("abandoned %S+ %d%d%d+ bytes to save, hidden", ""))
      return saved == 5
    end)
    assert.is_true(is_saved, tostring(saved))
    assert.equal(before, scene:ask("/counters").blocks)
    assert.is_nil(scene:stop())
  end)
end)
