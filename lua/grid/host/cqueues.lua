-- The host of cqueues programs: a call made inside a controller's thread lets the others
-- run.
-- Owns: what waits. Each controller has a driver of its own.
-- A call blocks outside of a controller, within a C function such as string.gsub, and in
-- a coroutine that a thread of the controller has made itself, which yields to that
-- thread.
-- Does not know: HTTP, and what the calls are for.

local core = require "grid.core"
local cqueues = require "cqueues"
local cqueues_condition = require "cqueues.condition"

---@type grid.Host
local host = { name = "cqueues", now = core.now }

local NAP = 0.005 -- between two steps, where the platform has no descriptor to watch

--- The controller that runs | nil
function host.loop()
  return (cqueues.running())
end

function host.can_yield()
  local controller, is_its_thread = cqueues.running()
  return controller ~= nil and is_its_thread and core.is_yieldable()
end

--- Runs f(...) in a thread of the controller that runs. -> true | nil: none does
function host.spawn(f, ...)
  local controller = cqueues.running()
  if not controller then return nil end
  controller:wrap(f, ...)
  return true
end

local Condition = {}
Condition.__index = Condition

function host.condition()
  return setmetatable({ condition = cqueues_condition.new(), thread = false, is_signalled = false }, Condition)
end

--- Until `signal`, `seconds` at most.
function Condition:wait(seconds)
  if not self.is_signalled then
    self.thread = coroutine.running()
    self.condition:wait(seconds)
    self.thread = false
  end
  self.is_signalled = false
end

function Condition:signal()
  self.is_signalled = true
  self.condition:signal()
end

--- Was the thread closed while it waited?
function Condition:is_abandoned()
  return self.thread and coroutine.status(self.thread) == "dead"
end

function Condition:close()
  self.thread = false
end

local Poller = {}
Poller.__index = Poller

function host.poller(engine)
  return setmetatable({ descriptor = engine:fd(), changed = cqueues_condition.new(), seconds = false }, Poller)
end

--- Until the engine's descriptor is readable, `seconds` at most.
function Poller:wait(seconds)
  self.seconds = seconds
  if self.descriptor then
    cqueues.poll({ pollfd = self.descriptor, events = "r" }, self.changed, seconds)
  else
    cqueues.poll(self.changed, math.min(seconds, NAP))
  end
  self.seconds = false
end

--- Ends a wait that may be longer than `seconds`.
function Poller:wake(seconds)
  if seconds and self.seconds and seconds < self.seconds then self.changed:signal() end
end

--- A descriptor that is polled must be cancelled before it is closed.
function Poller:close()
  if self.descriptor then cqueues.cancel(self.descriptor) end
end

return host
