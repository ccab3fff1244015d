-- The host inside nginx (OpenResty, ngx_http_lua): waiting yields, and the worker serves others meanwhile.
-- Owns: one driver for each Lua VM, a timer that steps the engine while anything is in flight and ends when nothing is; and
-- the detached flights, which the driver carries itself. A timer belongs to no request, so a client that aborts takes nobody
-- else's driver with it. Knows nothing of HTTP and of what the calls are for.

local core = require "grid.core"
local flights = require "grid.http.scheduler"
local semaphores = require "ngx.semaphore"

---@type grid.Host
local nginx = { name = "nginx", now = core.now }

local WAITING_PHASES = {
  rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true, server_rewrite = true,
  precontent = true, proxy_ssl_cert = true, proxy_ssl_verify = true,
}

-- A handler can wait for a session only with OpenResty's patch of OpenSSL, which adds this function. Without it ngx_lua ends the
-- handler.
local function can_wait_for_session()
  local ffi = require "ffi"
  pcall(ffi.cdef, "void *SSL_magic_pending_session_ptr(void);")
  return (pcall(function() return ffi.C.SSL_magic_pending_session_ptr end))
end

--- Nothing where a call may wait; else the reason why not, and what to do.
function nginx.obstacle()
  local phase = ngx.get_phase()
  if phase == "ssl_session_fetch" and not can_wait_for_session() then
    return "nginx cannot wait in the phase 'ssl_session_fetch': its OpenSSL lacks OpenResty's patch; call from ngx.timer.at(0, …)"
  end
  if WAITING_PHASES[phase] and core.is_yieldable() then return nil end
  if WAITING_PHASES[phase] then
    return "nginx cannot wait within a C function, such as string.gsub, table.sort or require: call after it has returned"
  end
  return ("nginx cannot wait in the phase '%s': call from rewrite, access or content, or from ngx.timer.at(0, …)"):format(phase)
end

-- nginx cannot watch the engine's descriptor for us, so the driver looks: each millisecond (the grain of nginx's timers) while
-- things move, and the more rarely the longer they have not.
local SHORTEST_NAP, LONGEST_NAP = 0.001, 0.01
local NAP_PER_IDLE_SECOND = 1 / 32

-- nginx drops a timer without a word to us when lua_max_running_timers is reached: after so long it is asked again, and until
-- then each flight steps for itself when it wakes.
local TIMER_PATIENCE = 0.1
local LONGEST_WAIT = 60

-- Nobody tells us of a thread that nginx has ended: the driver looks round for calls that are not waited for any more, also before
-- it ends. The collector may not find them: nginx uses the stack of an ended thread again, and what stood there may be seen still.
local ROUND = 1

local asked_at -- when the driver's timer was asked for, until it runs
local has_asked = false -- ever
local bell     -- of the driver that runs: a semaphore to wake it
local napping  -- for how long the driver sleeps
local carried = {} -- detached flight -> when it must be looked after

-- Once for each nap: a semaphore would remember each.
local function ring()
  if not bell or napping <= SHORTEST_NAP then return end
  napping = SHORTEST_NAP
  bell:post(1)
end

local function next_due()
  local now = core.now()
  for flight, due in pairs(carried) do
    if not flight.is_busy and (#flight.landed > 0 or flight.client.closed or due <= now) then return flight end
  end
end

-- A flight that fails must take neither the driver nor other flights with it: whoever waits for it gets to know.
local function look_after(flight)
  local ok, pause = pcall(flight.advance, flight)
  if not ok then flight.failure = pause end
  carried[flight] = ok and pause and core.now() + pause or nil
end

local function bring_on(flight)
  look_after(flight)
  flight.is_busy = nil
  if not carried[flight] then flight.semaphore:post(1) end
  ring()
end

-- A handler may wait, for a call of its own, say: not in the driver, which has to go on for that.
local function advance_carried()
  local flight = next_due()
  while flight do
    flight.is_busy = true
    if flight.client.options.on_event then ngx.thread.spawn(bring_on, flight) else bring_on(flight) end
    flight = next_due()
  end
end

-- Tries that wait for their time need no steps.
local function nap_after(idle, count)
  if count > 0 then return math.max(SHORTEST_NAP, math.min(idle * NAP_PER_IDLE_SECOND, LONGEST_NAP)) end
  local soonest = core.now() + LONGEST_WAIT
  for flight, due in pairs(carried) do
    if not flight.is_busy then soonest = math.min(soonest, due) end
  end
  return math.max(SHORTEST_NAP, soonest - core.now())
end

-- What a flight that waits is woken with when something of it has landed; once, too.
local function post(flight)
  flight.wake = false
  flight.semaphore:post(1)
end

-- nginx takes a thread that it ends out of the queue of its semaphore. The count is that of the posts less that of the threads in
-- the queue: -1 for one that waits, 0 once it is posted to.
local function is_abandoned(flight)
  local wake = flight.wake
  if wake == post then return flight.semaphore:count() > -1 end
  return wake == false and flight.semaphore:count() > 0
end

-- The answer of a call whose request was aborted is waited for that long: it may hold the only living token.
local GRACE = 5

-- A handler that is told of the answer may wait.
local function abandon_flights(now)
  for _, flight in ipairs(flights.abandoned(is_abandoned)) do
    flight.abandoned_at = flight.abandoned_at or now
    local cancels = now - flight.abandoned_at > GRACE
    if flight.client.options.on_event then ngx.thread.spawn(flight.abandon, flight, cancels) else flight:abandon(cancels) end
  end
end

local function drive()
  local engine = core.engine()
  bell = assert(semaphores.new())
  local known, now = 0, core.now()
  local moved_at, looked_at = now, now
  local count = engine:in_flight()
  while count > 0 or next(carried) do
    napping = nap_after(now - moved_at, count)
    local rung = bell:wait(napping)
    now = core.now()
    if now - looked_at > ROUND then
      looked_at = now
      abandon_flights(now)
    end
    local landed = flights.step(engine)
    advance_carried()
    count = engine:in_flight()
    if rung or landed or count ~= known then known, moved_at = count, now end
  end
  abandon_flights(now)
  engine:close()
end

-- A driver that stops by an error (out of memory, a hook that raises) is followed by another one: many wait for it.
local function keep_driving()
  asked_at = nil
  if bell then return end
  local ok, problem = pcall(drive)
  bell = nil
  if ok then return end
  ngx.log(ngx.ERR, "grid: the driver stopped: ", problem)
  asked_at = ngx.timer.at(TIMER_PATIENCE, keep_driving) and core.now()
end

-- -> true if the driver runs, false if it was asked for, nil where nginx has no timer to give. With the first timer of a worker
-- ngx_lua opens a connection that nginx closes when the worker begins to end; one that is opened later raises an alert.
local function ensure_driver()
  if bell then return true end
  local now = core.now()
  if not asked_at or now - asked_at > TIMER_PATIENCE then
    if not has_asked and ngx.worker.exiting() then return nil end
    has_asked = true
    asked_at = ngx.timer.at(0, keep_driving) and now or nil
  end
  return asked_at and false
end

--- Flights leave the steps to the driver: so much of the worker's time goes to calls at once, and no more.
function nginx.is_driven()
  return bell ~= nil
end

local function give_semaphore(flight)
  if not flight.semaphore then flight.semaphore = assert(semaphores.new()) end
end

-- Of a flight that waits on its semaphore, and only of such a one, `wake` says so.
local function wait(flight, seconds, wake)
  local driven = ensure_driver()
  if driven == nil then return ngx.sleep(SHORTEST_NAP) end
  ring()
  flight.wake = wake
  flight.semaphore:wait(driven and seconds or math.min(seconds, TIMER_PATIENCE))
end

--- Waits until something of the flight's has landed, `seconds` at most.
function nginx.idle(_, seconds, flight)
  give_semaphore(flight)
  wait(flight, seconds, post)
  flight.wake = nil
end

--- Runs a flight to its end and waits for that. If the request that waits is aborted, the driver still brings it there.
function nginx.carry(flight)
  give_semaphore(flight)
  flight.wake = ring
  look_after(flight)
  while carried[flight] do
    wait(flight, LONGEST_WAIT, ring)
    if not bell then
      -- Closing the client took the engine away; its flights still have to be brought to their end.
      if not flight.client.closed then flights.step(flight.engine) end
      advance_carried()
    end
  end
  flight.wake = nil
  if flight.failure then error(flight.failure, 0) end
end

return nginx
