-- Observes the owner that a record names: the facts by which grid.keeper.owner judges
-- whether it has died.
-- Owns: nothing; each call reads the state of the process from the kernel.
-- Does not know: the judgement, flights.

local core = require "grid.core"
local owner = require "grid.keeper.owner"

local observation = {}

--- The facts of grid.keeper.owner about the owner in a record, without same_rev_for.
---@param record table?
---@param is_in_flight boolean this keeper has a flight for the record
function observation.of(keeper, record, me, is_in_flight)
  local facts = { is_local = keeper.store.is_local == true, in_flight = is_in_flight }
  local held = record and (record.owner or record.intent and record.intent.owner)
  local pid = held and owner.process_of(held, me, facts.is_local)
  if pid then
    local state, start_time = core.process(tonumber(pid))
    facts.process = { state = state, start_time = start_time }
  end
  return facts
end

return observation
