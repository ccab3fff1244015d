-- What calls leave behind in a worker: nothing that runs, nothing that grows.

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
    location = /counters { content_by_lua_block { @APP@ app.say(app.counters()) } }
]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

local function status_of(pid)
  local file = assert(io.open("/proc/" .. pid .. "/status"))
  local text = file:read "*a"
  file:close()
  return {
    wake_ups = tonumber(text:match "\nvoluntary_ctxt_switches:%s*(%d+)"),
    resident_kib = tonumber(text:match "VmRSS:%s*(%d+)"),
  }
end

describe("a worker that has made calls", function()
  local scene, worker

  setup(function()
    scene = scenes.start { locations = LOCATIONS }
    worker = scene.nginx:workers()[1]
  end)

  teardown(function() assert.is_nil(scene:stop()) end)

  local function wake_ups_in(seconds)
    local before = status_of(worker).wake_ups
    os.execute("sleep " .. seconds)
    return status_of(worker).wake_ups - before
  end

  it("has no timers and is not woken while nothing is in flight", function()
    assert.is_true(scene:ask("/refresh").ok)
    assert.is_true(scene:ask("/detached").ok)
    os.execute "sleep 0.1"
    local counters = scene:ask "/counters"
    assert.same({ 0, 0 }, { counters.running_timers, counters.pending_timers })
    assert.equal(0, wake_ups_in(1))
  end)

  it("is woken some hundred times a second at most while one call waits for its answer", function()
    scene.sandbox:fault { kind = "delay", delay = 3 }
    local call = scene.nginx:begin "/refresh"
    os.execute "sleep 1"
    local count = wake_ups_in(1)
    call:finish()
    assert.is_true(count > 10 and count < 150, "woken " .. count .. " times")
  end)

  local function assert_flat(count)
    scene.sandbox:set { fixed = true }
    scene:ask "/batch?count=2000" -- pools, the heap and compiled traces reach their size
    local before, memory = scene:ask "/counters", status_of(worker).resident_kib
    for _ = 1, count / 1000 do assert.same({ failed = 0 }, (scene:ask "/batch?count=1000")) end
    local after, grown = scene:ask "/counters", status_of(worker).resident_kib - memory
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
