-- The host inside nginx (OpenResty, ngx_http_lua): waiting yields, and the worker serves others meanwhile.
-- Owns: one driver for each Lua VM, a timer that steps the engine while anything is in flight and ends when nothing is.
-- A timer belongs to no request, so a client that aborts takes nobody else's driver with it.
-- Knows nothing of HTTP and of what the calls are for.

local core = require "grid.core"

local nginx = { name = "nginx", now = core.now }

local WAITING_PHASES = {
  rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true, server_rewrite = true,
}

--- Nothing where a call may wait; else the reason why not, and what to do.
function nginx.obstacle()
  local phase = ngx.get_phase()
  if WAITING_PHASES[phase] then return nil end
  return ("nginx cannot wait in the phase '%s': call from rewrite, access or content, or from ngx.timer.at(0, …)"):format(phase)
end

-- ngx.sleep counts milliseconds. nginx cannot watch the engine's descriptor for us, so the driver looks: each millisecond while
-- things move, and the more rarely the longer they have not.
local SHORTEST_NAP, LONGEST_NAP = 0.001, 0.01
local NAP_PER_IDLE_SECOND = 1 / 32

local function nap_after(idle)
  return math.max(SHORTEST_NAP, math.min(idle * NAP_PER_IDLE_SECOND, LONGEST_NAP))
end

local driving = false

local function drive()
  local flight = require "grid.flight"
  local engine = core.engine()
  local known, moved_at = 0, core.now()
  local count = engine:in_flight()
  while count > 0 do
    ngx.sleep(nap_after(core.now() - moved_at))
    local landed = flight.step(engine)
    count = engine:in_flight()
    if landed or count ~= known then known, moved_at = count, core.now() end
  end
  engine:close()
end

local function keep_driving()
  local ok, problem = pcall(drive)
  driving = false
  if not ok then ngx.log(ngx.ERR, "grid: the driver stopped: ", problem) end
end

-- Where nginx has no timer to give, each flight looks after itself.
local function ensure_driver()
  if not driving then driving = ngx.timer.at(0, keep_driving) == true end
  return driving
end

local function semaphore_of(flight)
  if not flight.semaphore then
    local semaphore = assert(require("ngx.semaphore").new())
    flight.semaphore = semaphore
    flight.wake = function() semaphore:post(1) end
  end
  return flight.semaphore
end

--- Waits until something of the flight's has landed, `seconds` at most.
function nginx.idle(_, seconds, flight)
  if ensure_driver() then
    semaphore_of(flight):wait(seconds)
  else
    ngx.sleep(SHORTEST_NAP)
  end
end

local function pack(...)
  return { n = select("#", ...), ... }
end

--- Runs `work` in a timer and waits for what it returns. If the waiting request is aborted, the work still goes on to its end.
function nginx.detached(work)
  local semaphore = assert(require("ngx.semaphore").new())
  local results
  local timer = ngx.timer.at(0, function()
    results = pack(pcall(work))
    semaphore:post(1)
  end)
  if not timer then return work() end
  while not results do semaphore:wait(60) end
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2, results.n)
end

return nginx
