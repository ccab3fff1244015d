-- The host of luv programs: a call in a coroutine yields, and libuv's loop resumes the
-- coroutine. Outside of a coroutine, and within a C function such as string.gsub, a call
-- cannot yield and blocks.
-- Owns: the timer and poll handles of waits, which are closed when the waits end, so that
-- uv.run returns when the program has no active handles.
-- Does not know: HTTP.

local core = require "grid.core"
local uv = require "luv"

---@type grid.Host
local host = { name = "luv", now = core.now, can_yield = core.is_yieldable }

local NAP = 0.005 -- seconds between two steps if the platform has no descriptor to poll

local function resume(thread, ...)
  local ok, problem = coroutine.resume(thread, ...)
  if not ok then io.stderr:write(debug.traceback(thread, tostring(problem)), "\n") end
end

--- Runs f(...) in a new coroutine. Returns when f yields or ends.
function host.spawn(f, ...)
  resume(coroutine.create(f), ...)
  return true
end

local function start(timer, seconds, callback)
  timer:start(math.ceil(seconds * 1000), 0, callback)
end

local Condition = {}
Condition.__index = Condition

function host.condition()
  return setmetatable({ thread = false, timer = false, on_time = false, is_signalled = false }, Condition)
end

--- Waits until `signal`, at most `seconds`.
function Condition:wait(seconds)
  if not self.is_signalled then
    local thread = coroutine.running()
    self.thread, self.timer = thread, uv.new_timer()
    self.on_time = function()
      if self.thread == thread and coroutine.status(thread) == "suspended" then resume(thread) end
    end
    start(self.timer, seconds, self.on_time)
    coroutine.yield()
    self:close()
  end
  self.is_signalled = false
end

--- Resumes the waiter in the loop's next iteration, not within this call, since the
--- caller may be a step of the engine and the waiter may step the engine too.
function Condition:signal()
  if self.timer and not self.is_signalled then start(self.timer, 0, self.on_time) end
  self.is_signalled = true
end

--- Was the coroutine closed while it waited?
function Condition:is_abandoned()
  return self.thread and coroutine.status(self.thread) == "dead"
end

function Condition:close()
  if self.timer then self.timer:close() end
  self.thread, self.timer = false, false
end

local Poller = {}
Poller.__index = Poller

--- A poller for the running coroutine.
function host.poller(engine)
  local self = setmetatable({ timer = uv.new_timer(), watch = engine:fd() and uv.new_poll(engine:fd()), due = false }, Poller)
  local thread = coroutine.running()
  self.on_ready = function()
    if self.due then resume(thread) end
  end
  if self.watch then self.watch:start("r", self.on_ready) end
  return self
end

--- Waits until the engine's descriptor is readable, at most `seconds`.
function Poller:wait(seconds)
  if not self.watch then seconds = math.min(seconds, NAP) end
  self.due = core.now() + seconds
  start(self.timer, seconds, self.on_ready)
  coroutine.yield()
  self.due = false
end

--- Shortens the current wait to `seconds` from now.
function Poller:wake(seconds)
  if self.due and seconds and core.now() + seconds < self.due then
    self.due = core.now() + seconds
    start(self.timer, seconds, self.on_ready)
  end
end

function Poller:close()
  if self.watch then self.watch:close() end
  self.timer:close()
end

return host
