-- The host of cqueues programs: a call made inside a controller's coroutine lets the others run.
-- Owns: one driver coroutine for each controller. It sleeps on the engine's descriptor while a flight waits; it ends with the last.
-- Outside of a controller there is nobody to let run, and a call blocks. Knows nothing of HTTP and of what the calls are for.

local condition = require "cqueues.condition"
local cqueues = require "cqueues"

local core = require "grid.core"
local flights = require "grid.flight"

---@type grid.Host
local host = { name = "cqueues", now = core.now }

local drivers = setmetatable({}, { __mode = "k" }) -- controller -> driver

local NAP = 0.005 -- between two looks, where the platform has no descriptor to wait for

-- Until the engine has something to do, or what is known of it has changed.
local function wait_for_work(driver, engine)
  local fd, pause = engine:fd(), engine:timeout()
  driver.pause = fd and pause or math.min(pause or NAP, NAP)
  if fd then
    cqueues.poll({ pollfd = fd, events = "r" }, driver.changed, driver.pause)
  else
    cqueues.poll(driver.changed, driver.pause)
  end
end

-- A polled descriptor must be cancelled before it is closed, and the engine goes with its last holder: the driver holds it too.
local function drive(driver)
  local engine = core.engine()
  while driver.waiting > 0 do
    wait_for_work(driver, engine)
    flights.step(engine)
  end
  if engine:fd() then cqueues.cancel(engine:fd()) end
  engine:close()
  driver.running = false
end

local function driver_of(controller)
  if not drivers[controller] then drivers[controller] = { waiting = 0, changed = condition.new() } end
  return drivers[controller]
end

-- A step that a flight made by itself may have moved the engine's next date forward.
local function alert(driver, controller, engine)
  local pause = engine:timeout()
  if not driver.running then
    driver.running = true
    controller:wrap(drive, driver)
  elseif pause and (not driver.pause or pause < driver.pause) then
    driver.changed:signal()
  end
end

local function signal(flight)
  flight.condition:signal()
end

--- Waits until something of the flight's has landed, `seconds` at most.
function host.idle(engine, seconds, flight)
  local controller = cqueues.running()
  if not controller then return engine:wait(seconds) end
  flight.condition = flight.condition or condition.new()
  flight.wake = signal
  local driver = driver_of(controller)
  driver.waiting = driver.waiting + 1
  alert(driver, controller, engine)
  flight.condition:wait(seconds)
  flight.wake = nil
  driver.waiting = driver.waiting - 1
  if driver.waiting == 0 then driver.changed:signal() end
end

return host
