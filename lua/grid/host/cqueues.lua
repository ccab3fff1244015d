-- The host of cqueues programs: a call in a thread of a controller yields to the
-- controller.
-- Owns: the cqueues conditions of waits. Each controller has its own driver. A call
-- blocks outside of a controller, within a C function such as string.gsub, and in a
-- coroutine that a thread of the controller has created, since such a coroutine yields to
-- the thread and not to the controller.
-- Does not know: HTTP.

local core = require "grid.core"
local cqueues = require "cqueues"
local cqueues_condition = require "cqueues.condition"

---@type grid.Host
local host = { name = "cqueues", now = core.now }

local NAP = 0.005 -- seconds between two steps if the platform has no descriptor to poll

--- The running controller | nil
function host.loop()
  return (cqueues.running())
end

function host.can_yield()
  local controller, is_its_thread = cqueues.running()
  return controller ~= nil and is_its_thread and core.is_yieldable()
end

--- Runs f(...) in a new thread of the running controller. -> true | nil: no controller
--- runs
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

--- Waits until `signal`, at most `seconds`.
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

--- Waits until the engine's descriptor is readable, at most `seconds`.
function Poller:wait(seconds)
  self.seconds = seconds
  if self.descriptor then
    cqueues.poll({ pollfd = self.descriptor, events = "r" }, self.changed, seconds)
  else
    cqueues.poll(self.changed, math.min(seconds, NAP))
  end
  self.seconds = false
end

--- Ends the current wait if its timeout is longer than `seconds`.
function Poller:wake(seconds)
  if seconds and self.seconds and seconds < self.seconds then self.changed:signal() end
end

--- cqueues requires cancel() before a polled descriptor is closed.
function Poller:close()
  if self.descriptor then cqueues.cancel(self.descriptor) end
end

return host
