-- A worker after its calls: no timer runs, and no memory grows. And with many calls in
-- flight: how much memory each needs.

local core = require "grid.core"
local nginx = require "spec.support.nginx"
local proc = require "spec.support.proc"
local scenes = require "spec.nginx.scene"

local LOCATIONS = ([[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh()) } }
    location = /detached { content_by_lua_block { @APP@ app.say(app.refresh { detached = true }) } }
    location = /batch {
        content_by_lua_block {
            @APP@
            local failed = 0
            local function work(number)
                for i = 1, ngx.var.arg_count / 50 do
                    local outcome = app.refresh { detached = (number + i) % 2 == 0 }
                    if not outcome.ok then failed = failed + 1 end
                end
            end
            local threads = {}
            for number = 1, 50 do threads[number] = ngx.thread.spawn(work, number) end
            for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
            app.say { failed = failed }
        }
    }
    location = /crowd {
        content_by_lua_block {
            @APP@
            local threads = {}
            for i = 1, 400 do threads[i] = ngx.thread.spawn(app.refresh, { timeout = 60 }) end
            for _, thread in ipairs(threads) do ngx.thread.wait(thread) end
            app.say {}
        }
    }
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

local function status_of(pid)
  return { wake_ups = proc.wake_ups(pid), resident_kib = proc.resident(pid) / 1024 }
end

describe("a worker that has made calls", function()
  local scene, worker, idle

  -- On a busy machine a second of sleep may last longer.
  local function wake_ups_per_second()
    local began, before = core.now(), status_of(worker).wake_ups
    os.execute "sleep 1"
    return (status_of(worker).wake_ups - before) / (core.now() - began)
  end

  setup(function()
    scene = scenes.start { locations = LOCATIONS }
    worker = scene.nginx:workers()[1]
    idle = wake_ups_per_second() -- some versions of ngx_http_lua wake each worker once a second
  end)

  teardown(function() assert.is_nil(scene:stop()) end)

  -- What the calls and the questions before have set off, such as connections that are
  -- closed, comes to its end. Something that runs does not: it wakes the worker once more
  -- in each second, or is counted as a timer.
  local function comes_to_rest()
    for _ = 1, 10 do
      if wake_ups_per_second() < idle + 0.5 then return true end
    end
    return false
  end

  -- The counters when no timer runs: the one that carried the calls ends after them.
  local function counters_at_rest()
    local counters
    assert.is_true(nginx.wait_for(10, function()
      counters = scene:ask "/counters"
      return counters.running_timers + counters.pending_timers == 0
    end))
    return counters
  end

  it("has no timers and is not woken while nothing is in flight", function()
    assert.is_true(scene:ask("/refresh").ok)
    assert.is_true(scene:ask("/detached").ok)
    counters_at_rest()
    assert.is_true(comes_to_rest())
    local counters = scene:ask "/counters"
    assert.equal(0, counters.running_timers + counters.pending_timers)
  end)

  it("is woken some hundred times a second at most while one call waits for its answer", function()
    scene.sandbox:fault { kind = "delay", hold = true }
    local call = scene.nginx:begin "/refresh"
    scene.sandbox:wait_held(1)
    os.execute "sleep 1"
    local rate = wake_ups_per_second()
    scene.sandbox:release()
    assert.truthy(call:finish():find '"ok":true')
    assert.is_true(rate < 150, "woken " .. rate .. " times a second")
  end)

  local function assert_flat(count)
    scene.sandbox:set { fixed = true }
    for _ = 1, math.max(2, count / 5000) do scene:ask "/batch?count=1000" end -- pools, the heap and traces reach their size
    local before, memory = counters_at_rest(), status_of(worker).resident_kib
    for _ = 1, count / 1000 do assert.same({ failed = 0 }, (scene:ask "/batch?count=1000")) end
    local after, grown = counters_at_rest(), status_of(worker).resident_kib - memory
    scene.sandbox:set { fixed = false }
    if os.getenv "SHOW_FIGURES" then
      print(("%d calls: blocks %d -> %d, files %d -> %d, Lua %d -> %d KiB, resident %d %+d KiB"):format(count, before.blocks,
        after.blocks, before.files, after.files, before.lua_kib, after.lua_kib, memory, grown))
    end
    assert.is_true(scene:is_back_to(before))
    assert.is_true(after.lua_kib < before.lua_kib + 256, ("%d KiB of Lua, then %d"):format(before.lua_kib, after.lua_kib))
    assert.is_true(grown < 4096, ("grown by %d KiB"):format(grown))
  end

  it("has no more memory and descriptors in use after 3,000 calls", function() assert_flat(3000) end)

  it("has no more memory and descriptors in use after 100,000 calls #slow", function() assert_flat(100000) end)
end)

describe("a worker with 400 calls in flight", function()
  local scene

  setup(function() scene = scenes.start { locations = LOCATIONS } end)

  teardown(function() assert.is_nil(scene:stop()) end)

  it("has less than 48 KiB of memory for each", function()
    if not select(2, core.libcurl()) then return pending "without HTTP/2, 32 are in flight at most" end
    local worker = scene.nginx:workers()[1]
    assert.is_true(scene:ask("/refresh").ok)
    local before = status_of(worker).resident_kib
    scene.sandbox:fault { kind = "delay", hold = true, count = 0 }
    local crowd = scene.nginx:begin "/crowd"
    scene.sandbox:wait_held(400)
    local each = (status_of(worker).resident_kib - before) / 400
    scene.sandbox:control("DELETE", "/faults")
    scene.sandbox:release()
    crowd:finish()
    assert.is_true(each < 48, ("%.1f KiB"):format(each))
  end)
end)
