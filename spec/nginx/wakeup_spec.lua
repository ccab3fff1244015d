-- How the driver waits inside nginx: it sleeps until an answer comes, holds a thread and
-- descriptors only while calls are in flight, and naps where it can have neither.

local nginx = require "spec.support.nginx"
local proc = require "spec.support.proc"
local scenes = require "spec.nginx.scene"

local DELAY = 1
local MANY_WAKEUPS = 60 -- far more than one answer takes, far fewer than naps in DELAY

local LOCATIONS = ([[
    location = /refresh { content_by_lua_block { @APP@ app.say(app.refresh()) } }
    location = /without {
        content_by_lua_block {
            @APP@
            local count, outcome = 0
            local core, udp, notifier = require "grid.core", ngx.socket.udp, require("grid.core").notifier
            local missing = ngx.var.arg_missing
            local function refused() count = count + 1 end
            if missing == "notifier" then core.notifier = refused end
            ngx.socket.udp = function()
                local socket = udp()
                if missing == "connection" then socket.setpeername = refused end
                if missing == "secret" then
                    function socket.send() count = count + 1 return true end
                end
                if missing == "datagram" then
                    function socket.receive() count = count + 1 return nil, "timeout" end
                end
                return socket
            end
            for _ = 1, 100 do -- a wakeup may be left of a call before
                outcome = app.refresh()
                if count > 0 then break end
                ngx.sleep(0.05)
            end
            for _ = 1, 3 do app.refresh() end
            ngx.socket.udp, core.notifier = udp, notifier
            outcome.missing = count
            app.say(outcome)
        }
    }
    location = /in_turn {
        content_by_lua_block {
            @APP@
            local host, made, outcome = require "grid.host.nginx", 0
            local poller = host.poller
            host.poller = function(engine)
                made = made + 1
                return poller(engine)
            end
            for _ = 1, 5 do outcome = app.refresh() end
            host.poller, outcome.made = poller, made
            app.say(outcome)
        }
    }
    location = /ready_always {
        content_by_lua_block {
            @APP@
            local ffi = require "ffi"
            pcall(ffi.cdef, "int eventfd(unsigned int count, int flags); int close(int fd);")
            local descriptor = ffi.C.eventfd(1, 0)
            local host, ticks, is_over = require "grid.host.nginx", 0, false
            host.spawn(function()
                local poller = host.poller {
                    fd = function() return descriptor end,
                    in_flight = function() return 1 end,
                }
                for _ = 1, 2000 do poller:wait(0) end
                poller:close()
                is_over = true
            end)
            while not is_over do
                ngx.sleep(0.001)
                ticks = ticks + 1
            end
            ffi.C.close(descriptor)
            app.say { ticks = ticks }
        }
    }]]):gsub("@APP@", 'local app = require "spec.nginx.app"')

local function descriptors(pid)
  local count, pipe = 0, io.popen("ls /proc/" .. pid .. "/fd")
  for _ in pipe:lines() do count = count + 1 end
  pipe:close()
  return count
end

describe("a call inside nginx", function()
  local scene, pid

  before_each(function()
    scene = scenes.start { locations = LOCATIONS }
    pid = scene.nginx:workers()[1]
    for _ = 1, 2 do assert.is_true(scene:ask("/refresh").ok) end
    assert.is_true(nginx.wait_for(10, function() return proc.threads(pid) == 1 end))
  end)

  after_each(function() assert.is_nil(scene:stop()) end)

  local function delay_answers()
    scene.sandbox:fault { kind = "delay", answer_delay = DELAY, count = 0 }
  end

  -- A request whose call waits for its answer.
  local function begin_call()
    delay_answers()
    local request = scene.nginx:begin "/refresh"
    assert.is_true(nginx.wait_for(10, function() return proc.threads(pid) > 1 end))
    return request
  end

  local function assert_ok(body)
    assert.truthy(body:find('"ok":true', 1, true), body)
  end

  it("lets the worker sleep until the answer comes", function()
    delay_answers()
    local before = proc.wake_ups(pid)
    assert_ok(scene.nginx:get "/refresh")
    local count = proc.wake_ups(pid) - before
    assert.is_true(count < MANY_WAKEUPS, count .. " wakeups")
  end)

  it("is driven by the coroutine of the call before, if that was a moment ago", function()
    local answer = scene:ask "/in_turn"
    assert.is_true(answer.ok)
    assert.equal(1, answer.made)
  end)

  it("holds a thread and descriptors while it is in flight, and no longer", function()
    local before = descriptors(pid)
    local request = begin_call()
    assert.equal(2, proc.threads(pid))
    assert.is_true(descriptors(pid) > before)
    assert_ok(request:finish())
    assert.is_true(nginx.wait_for(10, function() return proc.threads(pid) == 1 and descriptors(pid) == before end),
      proc.threads(pid) .. " threads, " .. descriptors(pid) .. " descriptors, before " .. before)
  end)

  it("comes to its end while nginx quits", function()
    local request = begin_call()
    scene.nginx:signal "QUIT"
    assert_ok(request:finish())
    assert.equal(0, scene.nginx:wait())
  end)

  it("comes to its end while nginx reloads", function()
    local before = scene.nginx:workers()
    local request = begin_call()
    scene.nginx:signal "HUP"
    assert_ok(request:finish())
    assert.is_true(scene.nginx:has_replaced(before))
  end)

  for _, missing in ipairs { "notifier", "connection", "secret", "datagram" } do
    it("is answered without a wakeup: no " .. missing, function()
      local outcome = scene:ask("/without?missing=" .. missing)
      assert.is_true(outcome.ok)
      if missing == "secret" then return assert.is_true(outcome.missing > 0) end
      assert.equal(1, outcome.missing) -- is not asked for again by the next calls
      assert.is_true(nginx.wait_for(10, function() return proc.threads(pid) == 1 end))
    end)
  end

  it("leaves the worker to others, also with a descriptor that is always ready", function()
    local ticks = scene:ask("/ready_always").ticks
    assert.is_true(ticks > 20, ticks .. " ticks")
  end)
end)
