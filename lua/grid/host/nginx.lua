-- The host inside nginx (OpenResty, ngx_http_lua): a wait yields to the event loop of the
-- worker.
-- Owns: one timer for each Lua VM, whose threads run spawned functions. A timer belongs
-- to no request, so an aborted request does not end the threads.
-- Does not know: HTTP.

local core = require "grid.core"
local semaphores = require "ngx.semaphore"
local wakeup = require "grid.host.nginx_wakeup"

-- grace: seconds that a call continues after its nginx request was aborted. The answer
-- may contain the only valid token.
-- linger: a new thread with its wakeup costs more than a tenth of a refresh.
---@type grid.Host
local nginx = { name = "nginx", now = core.now, grace = 5, linger = 0.1 }

local WAITING_PHASES = {
  rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true, server_rewrite = true,
  precontent = true, proxy_ssl_cert = true, proxy_ssl_verify = true,
}

-- A handler in these phases can yield only with OpenResty's patches, which add these
-- names. Without them, ngx_lua or nginx ends the handler. The name in nginx is that of
-- another of its patches: the one for ssl_client_hello adds none.
local PATCHED = {
  ssl_session_fetch = { of = "OpenSSL", name = "SSL_magic_pending_session_ptr", declaration = "void *%s(void);" },
  ssl_client_hello = { of = "nginx", name = "ngx_is_privileged_agent", declaration = "extern uintptr_t %s;" },
}

-- -> what lacks the patch that the phase needs | nil
local function unpatched(phase)
  local patch = PATCHED[phase]
  if not patch then return nil end
  local ffi = require "ffi"
  pcall(ffi.cdef, patch.declaration:format(patch.name))
  return not pcall(function() return ffi.C[patch.name] end) and patch.of or nil
end

--- -> nil: a call can wait here | the cause and the remedy
function nginx.obstacle()
  local phase = ngx.get_phase()
  local lacking = unpatched(phase)
  if lacking then
    return ("nginx cannot wait in the phase '%s': %s lacks OpenResty's patch; call from ngx.timer.at(0, …)"):format(phase, lacking)
  end
  if WAITING_PHASES[phase] and core.is_yieldable() then return nil end
  if WAITING_PHASES[phase] then
    return "nginx cannot wait within a C function, such as string.gsub, table.sort or require: call after it has returned"
  end
  return ("nginx cannot wait in the phase '%s': call from rewrite, access or content, or from ngx.timer.at(0, …)"):format(phase)
end

--- Does the worker end, after a QUIT or a reload?
function nginx.is_ending()
  return ngx.worker.exiting()
end

-- A loop that resumes coroutines in C, such as that of cqueues, leaves the mark of their
-- coroutine.yield in ngx_lua, which then resumes the next thread that waits at once. Such
-- a thread is still in the queue of the semaphore, and must not enter it again.
local function wait_for(semaphore, seconds)
  local ok, problem = semaphore:wait(seconds)
  while ok == nil and problem == nil do ok, problem = coroutine._yield() end -- luacheck: ignore 143
  return ok
end

local Condition = {}
Condition.__index = Condition

function nginx.condition()
  return setmetatable({ semaphore = assert(semaphores.new()), is_waiting = false, is_posted = false }, Condition)
end

--- Waits until `signal`, at most `seconds`.
function Condition:wait(seconds)
  self.is_waiting = true
  wait_for(self.semaphore, seconds)
  self.is_waiting, self.is_posted = false, false
end

-- Posts are counted by the semaphore; one is enough.
function Condition:signal()
  if self.is_posted then return end
  self.is_posted = true
  self.semaphore:post(1)
end

--- Has nginx ended the waiting thread? nginx removes an ended thread from the queue of
--- the semaphore. count() is the number of posts minus the number of queued threads: -1
--- while a thread waits, 0 after a post.
function Condition:is_abandoned()
  return self.is_waiting and self.semaphore:count() > (self.is_posted and 0 or -1)
end

function Condition:close()
  self.is_waiting = false
end

-- nginx ends a request, or a timer, with all its threads when the client goes away, or
-- when one of the threads calls ngx.exit, and tells no Lua code. A witness is one more
-- thread, which only waits: its condition is abandoned then. ngx.thread.kill ends one
-- thread, whose status the witness sees.
local Witness = {}
Witness.__index = Witness

local function attend(self, thread)
  while not self.is_closed and not self.is_thread_dead do
    self.condition:wait(self.round)
    self.is_thread_dead = coroutine.status(thread) == "dead"
  end
end

-- nil: nginx spawns no thread here
local function new_witness(round)
  local self = setmetatable({
    condition = nginx.condition(), round = round, is_shared = false, is_closed = false, is_thread_dead = false,
  }, Witness)
  return pcall(ngx.thread.spawn, attend, self, coroutine.running()) and self or nil
end

local function end_witness(self)
  self.is_closed = true
  self.condition:signal()
end

--- Has nginx ended the thread that asked for the witness?
function Witness:is_ended()
  return self.is_thread_dead or self.condition:is_abandoned()
end

function Witness:close()
  if not self.is_shared then end_witness(self) end
end

local ROUND = 1 -- seconds

--- A witness of the running thread, until it closes it; that of the timer in a spawned
--- one | nil: nginx spawns no thread here
function nginx.witness()
  return ngx.get_phase() == "timer" and ngx.ctx.grid_witness or new_witness(ROUND)
end

-- Without a wakeup (see nginx_wakeup), the poller naps between two steps: for one
-- millisecond (the resolution of nginx's timers) while transfers make progress, then for
-- 1/32 of the time since the last progress, up to LONGEST_NAP.
local SHORTEST_NAP, LONGEST_NAP = 0.001, 0.01
local NAP_PER_IDLE_SECOND = 1 / 32

local Poller = {}
Poller.__index = Poller

--- A poller for the running thread, which must be a spawned one.
function nginx.poller(engine)
  local descriptor = engine:fd()
  return setmetatable({
    engine = engine, descriptor = descriptor, wakeup = descriptor and wakeup.take() or nil,
    semaphore = assert(semaphores.new()), nap = SHORTEST_NAP, in_flight = 0, moved_at = core.now(), is_woken = false,
    time = 0, steps = 0, witness = nginx.witness(),
  }, Poller)
end

-- While no transfer is in flight, the engine needs no steps: the nap lasts until the
-- timeout.
local function nap_of(self, seconds, now)
  if self.in_flight == 0 then return math.max(SHORTEST_NAP, seconds) end
  return math.max(SHORTEST_NAP, math.min((now - self.moved_at) * NAP_PER_IDLE_SECOND, LONGEST_NAP))
end

local function nap(self, seconds, has_finished)
  local now, in_flight = core.now(), self.engine:in_flight()
  if has_finished or self.is_woken or in_flight ~= self.in_flight then self.moved_at = now end
  self.in_flight = in_flight
  self.nap = nap_of(self, seconds, now)
  self.is_woken = wait_for(self.semaphore, self.nap)
  self.nap = SHORTEST_NAP
end

-- The most steps while nginx's clock, which the event loop sets, shows the same
-- millisecond. A wait that does not yield, since a datagram has arrived already, would
-- keep the loop from its other events.
local MAX_STEPS = 16

local function may_step(self)
  local time = ngx.now()
  if time ~= self.time then
    self.time, self.steps = time, 0
  end
  self.steps = self.steps + 1
  return self.steps <= MAX_STEPS
end

--- Waits until the engine's descriptor is readable, at most `seconds`.
function Poller:wait(seconds, has_finished)
  local has_waited = false
  if self.wakeup and may_step(self) then
    has_waited = seconds <= 0 or self.wakeup:wait(self.descriptor, seconds)
    if has_waited == nil then self.wakeup = nil end
  end
  if not has_waited then nap(self, seconds, has_finished) end
end

--- Ends the current wait if its timeout is longer than `seconds`; a nap, if it is not of
--- the shortest ones.
function Poller:wake(seconds)
  if self.wakeup then self.wakeup:wake(seconds) end
  if self.nap <= SHORTEST_NAP then return end
  self.nap = SHORTEST_NAP
  self.semaphore:post(1)
end

--- Has nginx ended the thread of the poller?
function Poller:is_ended()
  return self.witness ~= nil and self.witness:is_ended()
end

function Poller:close()
  if self.wakeup then self.wakeup:release() end
end

-- ngx_lua keeps a record of each thread of a timer until the timer ends. After this many
-- threads, spawned functions go to a new timer.
local MAX_THREADS = 1000

-- nginx drops a timer without an error when lua_max_running_timers is reached. If the
-- timer has not started after this time, a new one is created.
local TIMER_TIMEOUT = 0.1

local current -- the timer that runs spawned functions | nil
local former -- one before it, while its threads go on | nil
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
  while is_idle(self) and wakeup.has_spares() and not nginx.is_ending() and core.now() < until_time do
    wait_for(self.semaphore, LINGER)
  end
end

local LONGEST_WAIT = 60 -- seconds

-- The callback of the timer.
local function run_timer(_, self)
  if self.is_running then return end
  self.is_running, self.witness = true, new_witness(LONGEST_WAIT)
  if self.witness then self.witness.is_shared = true end
  ngx.ctx.grid_witness = self.witness
  repeat
    start_threads(self)
    if #self.tasks == 0 and self.alive > 0 then wait_for(self.semaphore, LONGEST_WAIT) end
    linger(self)
  until is_idle(self)
  if current == self then current = nil end
  if former == self then former = nil end
  wakeup.close_spares()
  if self.witness then end_witness(self.witness) end
end

local function is_ended(timer)
  return timer ~= nil and timer.is_running and timer.witness ~= nil and timer.witness:is_ended()
end

-- The first timer of a worker makes ngx_lua open a connection, which nginx closes when
-- the worker begins to exit. A connection that is opened later causes an alert, so an
-- exiting worker creates no first timer. In init_by_lua there are no timers. -> true |
-- nil: nginx has no free timer
local function create_timer(now)
  if not has_created and ngx.worker.exiting() or ngx.get_phase() == "init" then return nil end
  local timer = current or {
    tasks = {}, alive = 0, started = 0, is_running = false, is_first = not has_created, created_at = now,
    semaphore = assert(semaphores.new()), witness = nil,
  }
  has_created = true
  if not ngx.timer.at(0, run_timer, timer) then return nil end
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

--- Runs f(...) in a thread that belongs to no request. f must not use upvalues that are
--- locals of the caller, since they are lost when nginx ends the caller's thread: pass
--- such values as arguments. -> true | nil: nginx has no free timer here
function nginx.spawn(f, ...)
  local now = core.now()
  drop_ended()
  local is_dropped = current and not current.is_running and now - current.created_at > TIMER_TIMEOUT
  if former and is_dropped then
    fall_back()
  elseif (not current or is_dropped) and not create_timer(now) then
    if not former then return nil end
    fall_back()
  end
  current.tasks[#current.tasks + 1] = { count = select("#", ...) + 1, f, ... }
  if current.is_running then current.semaphore:post(1) end
  return true
end

return nginx
