-- A busted helper: the collector steps during all specs, to find values that C or Lua use
-- after they are released, and finalizers that run at a critical point.
-- Does not know: the specs.
local every = jit and 1000 or 300 -- instructions between two steps of the collector
local steps = 0

if not jit then collectgarbage "incremental" end
-- In percent of what the last cycle left. PUC Lua takes less than 104 for "at once", and
-- is busy with nothing else.
collectgarbage("setpause", jit and 0 or 104)

local function disturb()
  steps = steps + 1
  if steps % 2000 == 0 then
    collectgarbage()
  else
    collectgarbage("step", 0)
  end
end

-- Compiled code calls no hooks, and in PUC Lua each coroutine has its own.
if jit then jit.off() end
debug.sethook(disturb, "", every)

local create = coroutine.create
function coroutine.create(body)
  local thread = create(body)
  debug.sethook(thread, disturb, "", every)
  return thread
end

function coroutine.wrap(body)
  local thread = coroutine.create(body)
  local function pass(ok, ...)
    if ok then return ... end
    error((...), 0)
  end
  return function(...) return pass(coroutine.resume(thread, ...)) end
end
