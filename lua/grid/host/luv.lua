-- The host of luv programs: a call made inside a coroutine yields it to libuv's loop and is resumed from there.
-- Owns: one watch on the engine's descriptor and one timer, open while a coroutine waits and closed after the last.
-- Outside of a coroutine, and within a C function such as string.gsub, a call cannot yield: it blocks.
-- Does not know: HTTP, and what the calls are for.

local core = require "grid.core"
local flights = require "grid.http.scheduler"
local uv = require "luv"

---@type grid.Host
local host = { name = "luv", now = core.now }

local waiters = {} -- coroutine -> { flight, timer }
local woken = {}   -- coroutines to be resumed
local watch, timer, holder

local ROUND = 1 -- seconds between two looks for coroutines that were closed while they waited
local NAP = 0.005 -- between two looks, where the platform has no descriptor to watch

local function stop()
  if watch then watch:close() end
  timer:close()
  holder:close()
  watch, timer, holder = nil, nil, nil
end

local arm

local function run(thread, ...)
  local ok, problem = coroutine.resume(thread, ...)
  if not ok then io.stderr:write(debug.traceback(thread, tostring(problem)), "\n") end
end

-- Coroutines are resumed from here only, never from within a step: they may make steps of their own.
local function resume_woken()
  while #woken > 0 do
    local ready = woken
    woken = {}
    for _, thread in ipairs(ready) do
      if waiters[thread] and coroutine.status(thread) == "suspended" then run(thread) end
    end
  end
end

-- A coroutine that was closed while it waited keeps the loop alive no longer.
local function count_out()
  local closed = {}
  for thread, waiter in pairs(waiters) do
    if coroutine.status(thread) == "dead" then closed[thread] = waiter end
  end
  for thread, waiter in pairs(closed) do
    waiters[thread] = nil
    waiter.timer:close()
    waiter.flight.wake = nil
    run(coroutine.create(waiter.flight.abandon), waiter.flight, true)
  end
end

local function on_ready()
  flights.step(holder)
  resume_woken()
  count_out()
  if next(waiters) == nil then stop() else arm() end
end

-- The descriptor does not tell of what another call's step has landed: a woken coroutine is resumed in the loop's next round.
function arm()
  local pause = #woken > 0 and 0 or math.min(holder:timeout() or ROUND, ROUND)
  if not watch then pause = math.min(pause, NAP) end
  timer:start(math.ceil(pause * 1000), 0, on_ready)
end

local function start()
  holder = core.engine()
  timer = uv.new_timer()
  if not holder:fd() then return end
  watch = uv.new_poll(holder:fd())
  watch:start("r", on_ready)
end

local function sleep_until_woken(thread, seconds, flight)
  local limit = uv.new_timer()
  local is_awake = false
  local function wake()
    if is_awake then return end
    is_awake = true
    woken[#woken + 1] = thread
    arm()
  end
  flight.wake = wake
  limit:start(math.ceil(seconds * 1000), 0, wake)
  waiters[thread] = { flight = flight, timer = limit }
  coroutine.yield()
  waiters[thread] = nil
  flight.wake = nil
  limit:close()
end

--- Waits until something of the flight's has landed, `seconds` at most.
function host.idle(engine, seconds, flight)
  if not core.is_yieldable() then return engine:wait(seconds) end
  if not holder then start() end
  arm()
  sleep_until_woken(coroutine.running(), seconds, flight)
end

return host
