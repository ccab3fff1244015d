-- Runs functions inside nginx in the threads of a timer, which belongs to no request: an
-- aborted request does not end them.
-- Owns: one timer for each Lua VM, and for some time the one before it; the timers of
-- `every`.
-- Does not know: the functions.

local conditions = require "grid.host.nginx_condition"
local core = require "grid.core"
local semaphores = require "ngx.semaphore"
local wakeup = require "grid.host.nginx_wakeup"
local witnesses = require "grid.host.nginx_witness"

local timers = {}

-- ngx_lua keeps a record of each thread of a timer until the timer ends. After this many
-- threads, spawned functions go to a new timer.
local MAX_THREADS = 1000

-- nginx drops a timer without an error when lua_max_running_timers is reached. If the
-- timer has not started after this time, a new one is created.
local TIMER_TIMEOUT = 0.1

local current -- the timer that runs spawned functions | nil
local former -- one before it, while threads of it run | nil
local has_created = false -- whether this worker has created a timer

local function run_thread(self, f, ...)
  local ok, problem = pcall(f, ...)
  self.alive = self.alive - 1
  self.semaphore:post(1)
  if not ok then ngx.log(ngx.ERR, "grid: ", problem) end
end

local function start_threads(self)
  local tasks = self.tasks
  self.tasks = {}
  for _, task in ipairs(tasks) do
    self.alive, self.started = self.alive + 1, self.started + 1
    ngx.thread.spawn(run_thread, self, unpack(task, 1, task.count))
  end
  if self.started > MAX_THREADS and current == self then current, former = nil, former or self end
end

-- Seconds that a timer without threads keeps its wakeups: as long as calls follow one
-- another, none opens descriptors and a thread. The first timer does not: without
-- lua_code_cache, each request has a Lua VM of its own, and so a first timer.
local LINGER = 0.1

local function is_idle(self)
  return #self.tasks == 0 and self.alive == 0
end

local function linger(self)
  local until_time = core.now() + (self.is_first and 0 or LINGER)
  while is_idle(self) and wakeup.has_spares() and not ngx.worker.exiting() and core.now() < until_time do
    conditions.wait_for(self.semaphore, LINGER)
  end
end

-- Seconds -> { checks: what is called, has_timer }. A clock has a timer of
-- ngx.timer.every, which begins the next one before the running timers are counted: one
-- that nginx drops is not the last. Such a timer cannot be stopped, so a clock is used
-- again.
local clocks = {}

-- ngx_lua keeps a Lua VM while one of its timers is pending, and a clock always has one.
-- Without lua_code_cache, each request has a VM of its own: only one VM of a worker may
-- have clocks, for each subsystem.
local claim

local function strike(is_premature, clock)
  if is_premature then return end
  local checks = clock.checks
  for i = #checks, 1, -1 do
    local check = checks[i]
    if not check.f(unpack(check, 1, check.count)) then table.remove(checks, i) end
  end
end

local function start_clocks()
  for seconds, clock in pairs(clocks) do
    clock.has_timer = clock.has_timer or not ngx.worker.exiting() and ngx.timer.every(seconds, strike, clock) ~= nil
  end
end

local LONGEST_WAIT = 60 -- seconds

-- The callback of ngx.timer.at.
local function run_timer(_, self)
  if self.is_running then return end
  self.is_running, self.witness = true, witnesses.of_timer(LONGEST_WAIT)
  start_clocks() -- one more timer may be pending than when this one was
  repeat
    start_threads(self)
    if #self.tasks == 0 and self.alive > 0 then conditions.wait_for(self.semaphore, LONGEST_WAIT) end
    linger(self)
  until is_idle(self)
  if current == self then current = nil end
  if former == self then former = nil end
  wakeup.close_spares()
  if self.witness then self.witness:finish() end
end

local function is_ended(timer)
  return timer ~= nil and timer.is_running and timer.witness ~= nil and timer.witness:is_ended()
end

-- The first timer of a worker makes ngx_lua open a connection, which nginx closes when
-- the worker begins to exit. A connection that is opened later causes an alert, so an
-- exiting worker creates no first timer. -> true | nil, cause: nginx has no free timer
local function create_timer(now)
  if not has_created and ngx.worker.exiting() then return nil, "this worker of nginx ends" end
  local timer = current or {
    tasks = {}, alive = 0, started = 0, is_running = false, is_first = not has_created, created_at = now,
    semaphore = assert(semaphores.new()), witness = nil,
  }
  has_created = true
  local ok, problem = ngx.timer.at(0, run_timer, timer)
  if not ok then return nil, ("nginx has no free timer (%s; lua_max_pending_timers limits them)"):format(tostring(problem)) end
  timer.created_at = now
  current = timer
  return true
end

-- nginx has started no timer in place of the former one, which runs as long as one of its
-- threads: it takes the functions.
local function fall_back()
  local tasks = current and current.tasks or {}
  if current then current.tasks = {} end
  current, former = former, nil
  current.started = 0
  for _, task in ipairs(tasks) do current.tasks[#current.tasks + 1] = task end
end

-- Functions that have not started are lost, as those of a timer that nginx drops.
local function drop_ended()
  if is_ended(former) then former = nil end
  if is_ended(current) then current = nil end
end

-- ngx.timer.at raises an error in these phases.
local WITHOUT_TIMERS = { init = true, exit_worker = true }

local function no_timers_in(phase)
  return ("nginx has no timers in the phase '%s'"):format(phase)
end

--- -> nil: this Lua VM may use `every` | the cause
function timers.background_obstacle()
  local phase = ngx.get_phase()
  if WITHOUT_TIMERS[phase] then return no_timers_in(phase) end
  claim = claim or core.claim(ngx.config.subsystem == "stream" and 2 or 1)
  return not claim and "another Lua VM of this worker has done so (lua_code_cache off makes one for each request)" or nil
end

--- Runs f(...) in a thread that belongs to no request. f must not use upvalues that are
--- locals of the caller, since they are lost when nginx ends the caller's thread: pass
--- such values as arguments. -> true | nil, cause: nginx has no free timer here
function timers.spawn(f, ...)
  local phase = ngx.get_phase()
  if WITHOUT_TIMERS[phase] then return nil, no_timers_in(phase) end
  local now = core.now()
  drop_ended()
  local is_dropped = current and not current.is_running and now - current.created_at > TIMER_TIMEOUT
  local has_timer, cause = current and not is_dropped, nil
  if not has_timer and not (former and is_dropped) then has_timer, cause = create_timer(now) end
  if not has_timer then
    if not former then return nil, cause end
    fall_back()
  end
  current.tasks[#current.tasks + 1] = { count = select("#", ...) + 1, f, ... }
  if current.is_running then current.semaphore:post(1) end
  return true
end

--- Calls f(...) every so many seconds, as long as it returns true. If nginx has no free
--- timer, the calls begin with the next function that is spawned.
function timers.every(seconds, f, ...)
  clocks[seconds] = clocks[seconds] or { checks = {}, has_timer = false }
  table.insert(clocks[seconds].checks, { f = f, count = select("#", ...), ... })
  start_clocks()
end

return timers
