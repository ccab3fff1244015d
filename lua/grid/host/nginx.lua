-- The host inside nginx (OpenResty, ngx_http_lua): a wait yields to the event loop of the
-- worker.
-- Owns: the phases in which a call can wait, and the poller of the engine's descriptor.
-- Does not know: HTTP; how functions are spawned, which is in nginx_timer.lua.

local conditions = require "grid.host.nginx_condition"
local core = require "grid.core"
local semaphores = require "ngx.semaphore"
local timers = require "grid.host.nginx_timer"
local wakeup = require "grid.host.nginx_wakeup"
local witnesses = require "grid.host.nginx_witness"

-- grace: seconds that a call continues after its nginx request was aborted. The answer
-- may contain the only valid token.
-- linger: a new thread with its wakeup costs more than a tenth of a refresh.
---@type grid.Host
local nginx = {
  name = "nginx", now = core.now, grace = 5, linger = 0.1,
  condition = conditions.new, witness = witnesses.of_thread, spawn = timers.spawn, every = timers.every,
  background_obstacle = timers.background_obstacle,
}

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
  self.is_woken = conditions.wait_for(self.semaphore, self.nap)
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

return nginx
