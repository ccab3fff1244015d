-- The reactor: steps the engine that all objects of a Lua state share, and tells each
-- scheduler what has landed.
-- Owns: which transfer belongs to which call; for each event loop, the driver that steps
-- the engine while schedulers wait.
-- Does not know: calls beyond that, and how a host waits: it composes the host's
-- `condition`, `poller` and `spawn`.

local core = require "grid.core"

local reactor = {}

-- Id of a transfer -> its call, until the answer is read. Weak: a scheduler that the
-- collector finds takes its calls, and so their transfers, with it.
local in_flight = setmetatable({}, { __mode = "v" })

--- A transfer has begun, for that call.
function reactor.add(id, call)
  in_flight[id] = call
end

function reactor.remove(id)
  in_flight[id] = nil
end

--- One step of the engine, for all schedulers. -> true if a transfer has finished
function reactor.step(engine)
  engine:step()
  local id = engine:next_finished()
  local landed = id ~= nil
  while id do
    local call = in_flight[id]
    if call then call.scheduler:land(call) end
    id = engine:next_finished()
  end
  return landed
end

-- Loop -> the driver that steps the engine while schedulers wait there, in a coroutine of
-- the loop's: so it does not end with any of them. A host with one loop stands for that.
local drivers = setmetatable({}, { __mode = "k" })

local function driver_of(host)
  local loop = host.loop and host.loop() or host
  local driver = drivers[loop]
  if not driver then
    driver = { host = host, poller = false, asked_at = false, waiting = {}, abandoned = {} }
    drivers[loop] = driver
  end
  return driver
end

local ROUND = 1 -- seconds between two looks for waiters that have disappeared

-- The answers of an abandoned scheduler are read when they land, until the host's grace
-- is over. An answer that has arrived lands within a few steps.
local function look_after_abandoned(driver, now)
  local host = driver.host
  for scheduler, since in pairs(driver.abandoned) do
    local is_late = now - since >= (host.grace or ROUND)
    if is_late or #scheduler.landed > 0 then host.spawn(scheduler.abandon, scheduler, is_late) end
    if is_late or next(scheduler.calls) == nil then driver.abandoned[scheduler] = nil end
  end
end

-- A coroutine that is closed or killed while it waits does not tell.
local function count_out(driver, now)
  for scheduler, condition in pairs(driver.waiting) do
    if condition:is_abandoned() then
      driver.waiting[scheduler] = nil
      driver.abandoned[scheduler] = now
      scheduler:forsake()
      condition:close()
    end
  end
end

local function drive(driver, engine)
  local looked_at, landed = core.now(), true
  while next(driver.waiting) or next(driver.abandoned) do
    driver.poller:wait(math.min(engine:timeout() or ROUND, ROUND), landed)
    landed = reactor.step(engine)
    local now = core.now()
    if now - looked_at >= ROUND then
      looked_at = now
      count_out(driver, now)
    end
    if next(driver.abandoned) then look_after_abandoned(driver, now) end
  end
end

-- A poller must close before the engine's descriptor does, and the engine goes with its
-- last holder: the driver is one. When a driver stops by an error (out of memory, a hook
-- that raises), those that wait ask for another one.
local function run_driver(driver)
  if driver.poller then return end
  local engine = assert(core.engine())
  driver.poller, driver.asked_at = driver.host.poller(engine), false
  local ok, problem = pcall(drive, driver, engine)
  driver.poller:close()
  driver.poller = false
  engine:close()
  if ok then return end
  driver.asked_at = core.now()
  for _, condition in pairs(driver.waiting) do condition:signal() end
  error("the driver stopped: " .. tostring(problem), 0)
end

-- A loop may drop what was spawned, as nginx does when lua_max_running_timers is reached:
-- then it is asked again.
local PATIENCE = 0.1
local SHORTEST_WAIT, LONGEST_WAIT = 0.001, 60

-- -> seconds to wait at most without a driver | nil: there is one
local function alert_driver(driver, engine)
  if driver.poller then driver.poller:wake(engine:timeout()) end
  local now = core.now()
  if not driver.poller and (not driver.asked_at or now - driver.asked_at > PATIENCE) then
    driver.asked_at = now
    if not driver.host.spawn(run_driver, driver) then driver.asked_at = false end
  end
  if driver.poller then return nil end
  return driver.asked_at and PATIENCE or SHORTEST_WAIT
end

-- -> true: the driver steps the engine
local function wait_in_loop(scheduler, seconds)
  local driver, condition = driver_of(scheduler.host), scheduler:condition_of()
  driver.waiting[scheduler] = condition
  local most = alert_driver(driver, scheduler.engine)
  condition:wait(math.min(seconds, most or seconds))
  driver.waiting[scheduler] = nil
  if driver.poller and next(driver.waiting) == nil then driver.poller:wake(0) end
  return driver.poller ~= false
end

-- Outside of the loop's coroutines. The step after it may change the date that the loop's
-- poller waits for.
local function block(scheduler, seconds)
  scheduler.engine:wait(seconds)
  local poller = driver_of(scheduler.host).poller
  if poller then poller:wake(0) end
  return false
end

--- Waits until a transfer of the scheduler's has finished, or something woke the
--- scheduler; `seconds` at most. Steps the engine where no driver does.
function reactor.wait(scheduler, seconds)
  local host, is_driven = scheduler.host, false
  if not host.poller then
    scheduler:condition_of():wait(seconds, scheduler.engine)
  else
    is_driven = (host.can_yield and not host.can_yield() and block or wait_in_loop)(scheduler, seconds)
  end
  if not is_driven and scheduler:needs_step() then reactor.step(scheduler.engine) end
end

local function carry(scheduler, waiter)
  if waiter.has_begun then return end
  waiter.has_begun = true
  local ok, problem = pcall(scheduler.run, scheduler)
  waiter.is_over, waiter.problem = true, not ok and problem
  waiter.condition:signal()
end

--- Runs the scheduler in a coroutine of the loop's, and waits for that: the scheduler
--- goes on if the waiter disappears. Where the loop has no coroutine to give, the
--- scheduler runs here.
function reactor.run_detached(scheduler)
  local host = scheduler.host
  local waiter = { condition = host.spawn and host.condition(), has_begun = false, is_over = false, problem = false }
  if not waiter.condition or not host.spawn(carry, scheduler, waiter) then return scheduler:run() end
  scheduler:watch(waiter.condition)
  if not waiter.has_begun then waiter.condition:wait(PATIENCE) end
  if not waiter.has_begun then
    waiter.has_begun = true
    return scheduler:run()
  end
  while not waiter.is_over do waiter.condition:wait(LONGEST_WAIT) end
  scheduler:watch(false)
  if waiter.problem then error(waiter.problem, 0) end
end

return reactor
