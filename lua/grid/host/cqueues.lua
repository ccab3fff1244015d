-- The host of cqueues programs: a call made inside a controller's coroutine lets the others run.
-- Owns: one driver thread for each controller. It polls the engine's descriptor while a flight waits, and ends with the last.
-- A call blocks outside of a controller, within a C function such as string.gsub, and in a coroutine that a thread of the
-- controller has made itself, which yields to that thread. Does not know: HTTP, and what the calls are for.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"

local core = require "grid.core"
local flights = require "grid.http.scheduler"

---@type grid.Host
local host = { name = "cqueues", now = core.now }

local drivers = setmetatable({}, { __mode = "k" }) -- controller -> driver

local ROUND = 1 -- seconds between two looks for threads that have ended while they waited
local NAP = 0.005 -- between two looks, where the platform has no descriptor to wait for

-- Until the engine has something to do, or what is known of it has changed.
local function wait_for_work(driver, engine)
  local fd, pause = engine:fd(), engine:timeout()
  pause = math.min(pause or ROUND, ROUND)
  driver.pause = fd and pause or math.min(pause, NAP)
  if fd then
    cqueues.poll({ pollfd = fd, events = "r" }, driver.changed, driver.pause)
  else
    cqueues.poll(driver.changed, driver.pause)
  end
end

local function count_out(driver, controller)
  for thread, flight in pairs(driver.waiters) do
    if coroutine.status(thread) == "dead" then
      driver.waiters[thread] = nil
      controller:wrap(flight.abandon, flight, true)
    end
  end
end

-- A polled descriptor must be cancelled before it is closed, and the engine goes with its last holder: the driver holds it too.
local function drive(driver, controller)
  local engine = core.engine()
  while next(driver.waiters) ~= nil do
    wait_for_work(driver, engine)
    flights.step(engine)
    count_out(driver, controller)
  end
  if engine:fd() then cqueues.cancel(engine:fd()) end
  engine:close()
  driver.running = false
end

local function driver_of(controller)
  if not drivers[controller] then drivers[controller] = { waiters = {}, changed = condition.new() } end
  return drivers[controller]
end

-- A step that a flight made by itself may have moved the engine's next date forward.
local function alert(driver, controller, engine)
  local pause = engine:timeout()
  if not driver.running then
    driver.running = true
    controller:wrap(drive, driver, controller)
  elseif pause and (not driver.pause or pause < driver.pause) then
    driver.changed:signal()
  end
end

local function signal(flight)
  flight.condition:signal()
end

--- Waits until something of the flight's has landed, `seconds` at most.
function host.idle(engine, seconds, flight)
  local controller, is_its_thread = cqueues.running()
  if not controller or not is_its_thread or not core.is_yieldable() then return engine:wait(seconds) end
  flight.condition = flight.condition or condition.new()
  flight.wake = signal
  local driver, thread = driver_of(controller), coroutine.running()
  driver.waiters[thread] = flight
  alert(driver, controller, engine)
  flight.condition:wait(seconds)
  flight.wake = nil
  driver.waiters[thread] = nil
  if next(driver.waiters) == nil then driver.changed:signal() end
end

return host
