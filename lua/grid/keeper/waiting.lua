-- The waits of a keeper: for some time, or until another coroutine wakes them.
-- Owns: the conditions of waits, which end with them.
-- Does not know: flights, records; how a program waits, which is in its host.

local core = require "grid.core"
local failure = require "grid.keeper.failure"
local reactor = require "grid.http.reactor"

local waiting = {}

--- The error of a caller that cannot wait | nil: it can
---@param cause grid.Error? what has failed there
function waiting.obstacle(host, cause)
  local obstacle = host.obstacle and host.obstacle()
  return obstacle and failure.cannot_wait(obstacle, cause)
end

--- Can the caller wait for another coroutine? With the blocking host there is none, and
--- if the caller cannot yield, none runs.
function waiting.is_possible(host)
  if host.name == "blocking" or host.obstacle and host.obstacle() then return false end
  return not host.can_yield or host.can_yield()
end

-- Waits in the engine, and steps it, as reactor.wait does without a driver.
local function block(host, condition, seconds)
  local engine = core.engine()
  if not engine then return end
  if host.poller then engine:wait(seconds) else condition:wait(seconds, engine) end
  if engine:is_usable() then reactor.step(engine) end
  engine:close()
end

--- Waits `seconds`; other coroutines, if there are any, run meanwhile.
function waiting.sleep(host, seconds)
  local deadline, condition = core.now() + seconds, host.condition()
  while seconds > 0 do
    if host.poller and waiting.is_possible(host) then condition:wait(seconds) else block(host, condition, seconds) end
    seconds = deadline - core.now()
  end
end

--- Waits on a condition that each table of `list` holds meanwhile, at most `seconds`.
function waiting.wait_any(host, list, seconds)
  local condition = host.condition()
  for _, waiters in ipairs(list) do waiters[condition] = true end
  condition:wait(seconds)
  for _, waiters in ipairs(list) do waiters[condition] = nil end
end

--- Waits on a condition that `waiters` holds meanwhile, at most `seconds`.
function waiting.wait(host, waiters, seconds)
  waiting.wait_any(host, { waiters }, seconds)
end

--- Ends all waits on these conditions. A coroutine that was closed during its wait is not
--- resumed.
function waiting.wake(waiters)
  for condition in pairs(waiters) do
    if condition:is_abandoned() then
      if condition.close then condition:close() end
    else
      condition:signal()
    end
  end
end

return waiting
