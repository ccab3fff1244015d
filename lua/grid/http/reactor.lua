-- Steps the engine that all objects of a Lua state share, and reports finished transfers
-- to their schedulers.
-- Owns: the map from transfers to calls.
-- Does not know: the decisions of a call; event loops, in which the driver steps.

local reactor = {}

-- Transfer id -> call, until the answer is read. Weak, so that a scheduler without
-- references is collected together with its calls and their transfers.
local in_flight = setmetatable({}, { __mode = "v" })

--- Registers the transfer of a call.
function reactor.add(id, call)
  in_flight[id] = call
end

function reactor.remove(id)
  in_flight[id] = nil
end

--- One step of the engine, for all schedulers. -> true if a transfer has finished
function reactor.step(engine)
  engine:step()
  local id = engine:next_finished()
  local has_finished = id ~= nil
  while id do
    local call = in_flight[id]
    if call then call.scheduler:enqueue(call) end
    id = engine:next_finished()
  end
  return has_finished
end

--- Waits until a transfer of the scheduler has finished or the scheduler is woken, for at
--- most `seconds`, then steps the engine.
function reactor.wait(scheduler, seconds)
  scheduler:condition_of():wait(seconds, scheduler.engine)
  if scheduler:needs_step() then reactor.step(scheduler.engine) end
end

return reactor
