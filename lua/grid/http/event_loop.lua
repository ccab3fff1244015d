-- Waits in an event loop, and steps the engine there, for all schedulers that wait in it.
-- Owns: for each event loop, the driver: a coroutine that steps the engine while
-- schedulers wait.
-- Does not know: the decisions of a call; how a host waits, which is in the host's
-- `condition`, `poller` and `spawn`.

local core = require "grid.core"
local hosts = require "grid.host"
local reactor = require "grid.http.reactor"

local event_loop = {}

-- Event loop, or host if it has only one loop -> driver. A driver runs in a coroutine of
-- its own, so that it does not end with a coroutine that waits.
local drivers = setmetatable({}, { __mode = "k" })

local function driver_of(host)
  local loop = host.loop and host.loop() or host
  local driver = drivers[loop]
  if not driver then
    driver = {
      host = host, poller = false, spawned_at = false, used_at = 0, steps_aside = 0, waiting = {}, abandoned = {}, checked_at = 0,
    }
    drivers[loop] = driver
  end
  return driver
end

local ROUND = 1 -- seconds between two checks for abandoned conditions

-- Reads the answers of abandoned schedulers as transfers finish, and cancels the calls
-- when the host's grace period has passed. An answer that libcurl has already received
-- finishes within a few steps.
local function finish_abandoned(driver, now, run)
  local ready = {}
  for scheduler, since in pairs(driver.abandoned) do
    local is_last = now - since >= (driver.host.grace or ROUND) or scheduler:has_finished()
    if is_last or #scheduler.finished > 0 then ready[scheduler] = is_last end
    if is_last then driver.abandoned[scheduler] = nil end
  end
  for scheduler, is_last in pairs(ready) do run(scheduler.conclude_abandoned, scheduler, is_last) end
end

-- A coroutine that is closed or killed while it waits sends no signal, so conditions are
-- checked. A detached scheduler whose caller waits is continued by that one, see await.
local function find_abandoned(driver, now)
  for scheduler, condition in pairs(driver.waiting) do
    if condition:is_abandoned() and not scheduler:has_waiter() then
      driver.waiting[scheduler] = nil
      driver.abandoned[scheduler] = now
      scheduler:mark_abandoned()
      condition:close()
    end
  end
end

-- `run(f, ...)` calls handlers, which may yield.
local function attend_abandoned(driver, run)
  local now = core.now()
  if now - driver.checked_at >= ROUND then
    driver.checked_at = now
    find_abandoned(driver, now)
  end
  if next(driver.abandoned) then finish_abandoned(driver, now, run) end
end

-- Schedulers that wait for their next attempt need the driver for find_abandoned.
local function is_needed(driver, engine)
  if engine:in_flight() > 0 or next(driver.abandoned) then return true end
  for scheduler in pairs(driver.waiting) do
    if scheduler:needs_step() then return true end
  end
  find_abandoned(driver, core.now())
  return next(driver.abandoned) ~= nil
end

-- Seconds until the next step at the latest | nil: the driver ends. After the last
-- transfer it does not continue for long, since its reference keeps idle connections
-- open.
local function pause_of(driver, engine)
  local now, longest = core.now(), ROUND
  if is_needed(driver, engine) then
    driver.used_at = now
  else
    longest = driver.used_at + hosts.linger_of(driver.host) - now
  end
  return longest > 0 and math.min(engine:timeout() or ROUND, longest) or nil
end

local function drive(driver, engine)
  local has_finished, pause = true, pause_of(driver, engine)
  while pause do
    driver.poller:wait(pause, has_finished)
    has_finished, driver.steps_aside = reactor.step(engine), 0
    attend_abandoned(driver, driver.host.spawn)
    pause = pause_of(driver, engine)
  end
end

-- The driver holds a reference to the engine, since the poller must be closed before the
-- engine's descriptor, and the last reference closes that. If an error stops the driver
-- (out of memory, a hook that raises), the waiting schedulers are signalled, and a new
-- driver is spawned after SPAWN_TIMEOUT.
local function run_driver(driver)
  if driver.poller then return end
  local engine = assert(core.engine())
  driver.poller, driver.spawned_at = driver.host.poller(engine), false
  local ok, problem = pcall(drive, driver, engine)
  driver.poller:close()
  driver.poller = false
  engine:close()
  if ok then return end
  driver.spawned_at = core.now()
  for _, condition in pairs(driver.waiting) do condition:signal() end
  error("the driver stopped: " .. tostring(problem), 0)
end

-- A loop may drop a spawned function, as nginx does when lua_max_running_timers is
-- reached. If the function has not started after this time, it is spawned again.
local SPAWN_TIMEOUT = 0.1
local SHORTEST_WAIT, LONGEST_WAIT = 0.001, 60

-- Wakes the driver, or spawns it. -> longest wait in seconds until the next check | nil:
-- the driver runs, and nothing but itself ends it
local function ensure_driver(driver, engine)
  if driver.poller and driver.poller.is_ended and driver.poller:is_ended() then driver.poller = false end
  if driver.poller then driver.poller:wake(engine:timeout()) end
  local now = core.now()
  if not driver.poller and (not driver.spawned_at or now - driver.spawned_at > SPAWN_TIMEOUT) then
    driver.spawned_at = now
    if not driver.host.spawn(run_driver, driver) then driver.spawned_at = false end
  end
  if driver.poller then return driver.poller.is_ended and ROUND or nil end
  return driver.spawned_at and SPAWN_TIMEOUT or SHORTEST_WAIT
end

-- A transfer may have finished while it was started: a step is cheaper than to wake the
-- driver. Between two steps of the driver there are so many at most, since a coroutine
-- that never waits would keep the loop from its other events.
local MOST_STEPS_ASIDE = 16

local function step_aside(driver, engine)
  if not driver.poller or driver.steps_aside >= MOST_STEPS_ASIDE or engine:timeout() ~= 0 then return end
  driver.steps_aside = driver.steps_aside + 1
  reactor.step(engine)
end

-- Where no driver can run, the waiting coroutines also attend to those that were ended.
-- -> true if the driver steps the engine
local function wait_in_loop(scheduler, seconds)
  local driver, condition = driver_of(scheduler.host), scheduler:condition_of()
  driver.waiting[scheduler] = condition
  step_aside(driver, scheduler.engine)
  local longest = ensure_driver(driver, scheduler.engine)
  condition:wait(math.min(seconds, longest or seconds))
  driver.waiting[scheduler] = nil
  if not driver.poller then attend_abandoned(driver, pcall) end
  if driver.poller and next(driver.waiting) == nil then driver.poller:wake(driver.host.linger or 0) end
  return driver.poller ~= false
end

-- Waits outside of the loop's coroutines. The loop's poller is woken, since the step that
-- follows may change the engine's timeout.
local function block(scheduler, seconds)
  scheduler.engine:wait(seconds)
  local poller = driver_of(scheduler.host).poller
  if poller then poller:wake(0) end
  return false
end

--- Waits as reactor.wait does, for a host with a poller. Steps the engine if no driver
--- does.
function event_loop.wait(scheduler, seconds)
  local can_yield = scheduler.host.can_yield
  local is_driven = (can_yield and not can_yield() and block or wait_in_loop)(scheduler, seconds)
  if not is_driven and scheduler:needs_step() then reactor.step(scheduler.engine) end
end

local function run_with_witness(scheduler, waiter)
  waiter.witness = scheduler.host.witness and scheduler.host.witness()
  scheduler:run()
end

local function run_for_waiter(scheduler, waiter)
  if waiter.has_begun then return end
  waiter.has_begun = true
  local ok, problem = pcall(run_with_witness, scheduler, waiter)
  waiter.is_over, waiter.problem = true, not ok and problem
  waiter.condition:signal()
end

-- Waits until the scheduler has ended, or its coroutine was ended.
local function await(waiter)
  local witness = waiter.witness
  while not waiter.is_over and not (witness and witness:is_ended()) do
    waiter.condition:wait(witness and ROUND or LONGEST_WAIT)
  end
end

--- Runs the scheduler in a spawned coroutine and waits until it ends, so that the
--- scheduler continues if the waiter is abandoned. If the host cannot spawn now, runs the
--- scheduler in the caller's coroutine.
function event_loop.run_detached(scheduler)
  local host = scheduler.host
  local waiter = { condition = host.condition(), has_begun = false, is_over = false, problem = false, witness = nil }
  if not host.spawn(run_for_waiter, scheduler, waiter) then return scheduler:run() end
  scheduler:watch(waiter.condition)
  if not waiter.has_begun then waiter.condition:wait(SPAWN_TIMEOUT) end
  if not waiter.has_begun then
    waiter.has_begun = true
    return scheduler:run()
  end
  await(waiter)
  scheduler:watch(false)
  if not waiter.is_over then return scheduler:resume() end
  if waiter.problem then error(waiter.problem, 0) end
end

return event_loop
