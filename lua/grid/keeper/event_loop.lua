-- An event loop for plain Lua, so that refreshes run concurrently there: `run` resumes
-- the coroutines that were spawned, until all of them have ended.
-- Owns: those coroutines, and their waits.
-- Does not know: flights.

local core = require "grid.core"
local reactor = require "grid.http.reactor"

local event_loop = {}
local Loop = { __index = event_loop }

local WAIT = {} -- what a coroutine yields that waits on a condition

local Condition = {}
Condition.__index = Condition

--- Waits until `signal`, at most `seconds`.
function Condition:wait(seconds)
  if not self.is_signalled then
    local thread = coroutine.running()
    self.thread, self.deadline = thread, core.now() + seconds
    self.waiting[self], self.threads[thread] = true, true
    coroutine.yield(WAIT)
    self.waiting[self], self.threads[thread] = nil, nil
  end
  self.is_signalled = false
end

function Condition:signal()
  self.is_signalled = true
end

function Condition:is_abandoned() -- luacheck: no self
  return false
end

--- A loop without coroutines. Its `host` is one for grid.http.
function event_loop.new()
  local self = setmetatable({ pid = core.pid(), waiting = {}, threads = {}, observers = {}, problem = nil }, Loop)
  self.host = {
    name = "event_loop", now = core.now, can_yield = core.is_yieldable,
    spawn = function(f, ...)
      self:resume(coroutine.create(f), ...)
      return true
    end,
    condition = function()
      return setmetatable({
        waiting = self.waiting, threads = self.threads, thread = false, deadline = 0, is_signalled = false,
      }, Condition)
    end,
  }
  return self
end

-- Any other yield is that of a store or a handler, for a scheduler of the program: the
-- caller of `run` yields in its place. Outside of a coroutine there is no scheduler, and
-- the coroutine is resumed immediately. The waits on `observers` end, since it is out of
-- the reach of another `run` now.
local function pass_on(self, ...)
  if not core.is_yieldable() then return end
  for condition in pairs(self.observers) do condition:signal() end
  return coroutine.yield(...)
end

local function take(self, thread, ok, first, ...)
  if not ok then self.problem = self.problem or first end
  if not ok or first == WAIT or coroutine.status(thread) == "dead" then return end
  return take(self, thread, coroutine.resume(thread, pass_on(self, first, ...)))
end

function event_loop:resume(thread, ...)
  take(self, thread, coroutine.resume(thread, ...))
end

--- Does the coroutine wait for this loop? Another one waits for a scheduler of the
--- program, which does not run as long as this loop does.
function event_loop:is_waiting(thread)
  return self.threads[thread] == true
end

--- Has the process forked since? The coroutines continue in the parent only.
function event_loop:is_of_parent()
  return self.pid ~= core.pid()
end

local LONGEST_WAIT = 60 -- seconds, so that a wrong clock delays a coroutine by a minute at most

-- -> the conditions whose waits have ended, seconds until the next wait ends
local function ended_waits(self)
  local now, soonest, list = core.now(), LONGEST_WAIT, {}
  for condition in pairs(self.waiting) do
    if condition.is_signalled or condition.deadline <= now then list[#list + 1] = condition end
    soonest = math.min(soonest, condition.deadline - now)
  end
  return list, soonest
end

--- Runs until all coroutines have ended, or, if one of them forks, until it waits in the
--- child. Raises the first error of one.
---@param engine grid.core.engine
function event_loop:run(engine)
  while next(self.waiting) and not self:is_of_parent() do
    local ended, seconds = ended_waits(self)
    if #ended == 0 then
      engine:wait(seconds)
      reactor.step(engine)
    end
    for _, condition in ipairs(ended) do
      -- A run within this one may have ended the wait.
      if self.waiting[condition] and not self:is_of_parent() then self:resume(condition.thread) end
    end
  end
  local problem = self.problem
  self.problem = nil
  if problem ~= nil then error(problem, 0) end
end

return event_loop
