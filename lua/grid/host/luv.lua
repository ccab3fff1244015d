-- The host of luv programs: a call made inside a coroutine yields it to libuv's loop and is resumed from there.
-- Owns: one watch on the engine's descriptor and one timer, open while a coroutine waits and closed after the last.
-- Outside of a coroutine there is nothing to yield, and a call blocks. Knows nothing of HTTP and of what the calls are for.

local core = require "grid.core"
local flights = require "grid.flight"
local uv = require "luv"

---@type grid.Host
local host = { name = "luv", now = core.now }

local waiting, woken = 0, {} -- coroutines; those of them to be resumed
local watch, timer, holder

local NAP = 0.005 -- between two looks, where the platform has no descriptor to watch

local function stop()
  if watch then watch:close() end
  timer:close()
  holder:close()
  watch, timer, holder = nil, nil, nil
end

local arm

-- Coroutines are resumed from here only, never from within a step: they may make steps of their own.
local function resume_woken()
  while #woken > 0 do
    local ready = woken
    woken = {}
    for _, thread in ipairs(ready) do
      local ok, problem = coroutine.resume(thread)
      if not ok then io.stderr:write(debug.traceback(thread, tostring(problem)), "\n") end
    end
  end
end

local function on_ready()
  flights.step(holder)
  resume_woken()
  if waiting == 0 then stop() else arm() end
end

-- What another call's step has landed is no news to the descriptor: whoever is woken is resumed in the loop's next round.
function arm()
  local pause = #woken > 0 and 0 or holder:timeout()
  if not watch then pause = math.min(pause or NAP, NAP) end
  if pause then timer:start(math.ceil(pause * 1000), 0, on_ready) else timer:stop() end
end

local function start()
  holder = core.engine()
  timer = uv.new_timer()
  if not holder:fd() then return end
  watch = uv.new_poll(holder:fd())
  watch:start("r", on_ready)
end

local function running_coroutine()
  local thread, is_main = coroutine.running()
  return not is_main and thread or nil
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
  waiting = waiting + 1
  coroutine.yield()
  waiting = waiting - 1
  flight.wake = nil
  limit:close()
end

--- Waits until something of the flight's has landed, `seconds` at most.
function host.idle(engine, seconds, flight)
  local thread = running_coroutine()
  if not thread then return engine:wait(seconds) end
  if not holder then start() end
  arm()
  sleep_until_woken(thread, seconds, flight)
end

return host
