-- The host inside nginx (OpenResty, ngx_http_lua): waiting yields, and the worker serves
-- others meanwhile.
-- Owns: one timer for each Lua VM, whose threads run what is spawned. A timer belongs to
-- no request, so that a client that aborts ends none of them.
-- Does not know: HTTP, and what the calls are for.

local core = require "grid.core"
local semaphores = require "ngx.semaphore"

-- The answer of a call whose request was aborted is waited for that long: it may hold the
-- only living token.
---@type grid.Host
local nginx = { name = "nginx", now = core.now, grace = 5 }

local WAITING_PHASES = {
  rewrite = true, access = true, content = true, timer = true, preread = true,
  ssl_cert = true, ssl_session_fetch = true, ssl_client_hello = true, server_rewrite = true,
  precontent = true, proxy_ssl_cert = true, proxy_ssl_verify = true,
}

-- A handler can wait for a session only with OpenResty's patch of OpenSSL, which adds
-- this function. Without it ngx_lua ends the handler.
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

local Condition = {}
Condition.__index = Condition

function nginx.condition()
  return setmetatable({ semaphore = assert(semaphores.new()), is_waiting = false, is_posted = false }, Condition)
end

--- Until `signal`, `seconds` at most.
function Condition:wait(seconds)
  self.is_waiting = true
  self.semaphore:wait(seconds)
  self.is_waiting, self.is_posted = false, false
end

-- A semaphore would remember each post.
function Condition:signal()
  if self.is_posted then return end
  self.is_posted = true
  self.semaphore:post(1)
end

--- Has nginx ended the thread that waits? It takes such a thread out of the semaphore's
--- queue. The count is that of the posts less that of the threads in the queue: -1 while
--- a thread waits, 0 once it is posted to.
function Condition:is_abandoned()
  return self.is_waiting and self.semaphore:count() > (self.is_posted and 0 or -1)
end

function Condition:close()
  self.is_waiting = false
end

-- nginx cannot watch the engine's descriptor, so the poller naps: for a millisecond (the
-- grain of nginx's timers) while transfers move, and the longer the longer they have not
-- moved.
local SHORTEST_NAP, LONGEST_NAP = 0.001, 0.01
local NAP_PER_IDLE_SECOND = 1 / 32

local Poller = {}
Poller.__index = Poller

function nginx.poller(engine)
  return setmetatable({
    engine = engine, semaphore = assert(semaphores.new()), nap = SHORTEST_NAP,
    in_flight = 0, moved_at = core.now(), is_woken = false,
  }, Poller)
end

-- Tries that wait for their time need no steps.
local function nap_of(self, seconds, now)
  if self.in_flight == 0 then return math.max(SHORTEST_NAP, seconds) end
  return math.max(SHORTEST_NAP, math.min((now - self.moved_at) * NAP_PER_IDLE_SECOND, LONGEST_NAP))
end

function Poller:wait(seconds, has_landed)
  local now, in_flight = core.now(), self.engine:in_flight()
  if has_landed or self.is_woken or in_flight ~= self.in_flight then self.moved_at = now end
  self.in_flight = in_flight
  self.nap = nap_of(self, seconds, now)
  self.is_woken = self.semaphore:wait(self.nap)
end

-- Once for each nap.
function Poller:wake()
  if self.nap <= SHORTEST_NAP then return end
  self.nap = SHORTEST_NAP
  self.semaphore:post(1)
end

function Poller:close() end -- luacheck: no self

-- ngx_lua notes each thread of a timer until the timer ends, so a timer that has run so
-- many takes no more.
local MOST_THREADS = 1000

-- nginx drops a timer without a word when lua_max_running_timers is reached: after so
-- long it is asked again.
local TIMER_PATIENCE = 0.1

local nursery -- the one that takes what is spawned | nil
local has_asked = false -- for a timer, ever

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
  if self.started > MOST_THREADS and nursery == self then nursery = nil end
end

-- The body of the timer.
local function keep(_, self)
  if self.is_running then return end
  self.is_running = true
  repeat
    start_threads(self)
    if #self.tasks == 0 and self.alive > 0 then self.semaphore:wait(60) end
  until #self.tasks == 0 and self.alive == 0
  if nursery == self then nursery = nil end
end

-- With the first timer of a worker ngx_lua opens a connection that nginx closes when the
-- worker begins to end; one that is opened later raises an alert. -> true | nil: nginx
-- has no timer to give
local function ask_for_timer(now)
  if not has_asked and ngx.worker.exiting() then return nil end
  has_asked = true
  local asked = nursery or {
    tasks = {}, alive = 0, started = 0, is_running = false, asked_at = now, semaphore = assert(semaphores.new()),
  }
  if not ngx.timer.at(0, keep, asked) then return nil end
  asked.asked_at = now
  nursery = asked
  return true
end

--- Runs f(...) in a thread that belongs to no request. Give what it needs as arguments:
--- upvalues of the caller are lost when nginx ends the caller's thread. -> true | nil:
--- nginx has no timer to give
function nginx.spawn(f, ...)
  local now = core.now()
  local is_dropped = nursery and not nursery.is_running and now - nursery.asked_at > TIMER_PATIENCE
  if (not nursery or is_dropped) and not ask_for_timer(now) then return nil end
  nursery.tasks[#nursery.tasks + 1] = { count = select("#", ...) + 1, f, ... }
  if nursery.is_running then nursery.semaphore:post(1) end
  return true
end

return nginx
