-- Reports the events of a keeper to on_event, and counts them for the metrics.
-- Owns: the counters. An event has a name, and, if they are known, id, generation,
-- seconds, kind and code; never a secret.
-- Does not know: the cause of an event.

local events = {}

events.NAMES = {
  "added", "refreshed", "adopted", "replayed", "failed", "dead", "dropped", "suspended", "resumed", "removed", "spooled",
}

---@class (exact) grid.KeeperEvent
---@field name string added, refreshed, adopted, replayed, failed, dead, dropped, suspended, resumed, removed, spooled
---@field id string? nil: the ids that are due could not be read, or the spool cannot be used
---@field generation integer?
---@field seconds number? from the sending of the request to the end of the save
---@field kind string? of the error
---@field code string? of the error

--- Counts the event, and passes it to the program. Errors of the handler are discarded.
---@param event grid.KeeperEvent
function events.emit(keeper, event)
  local counters = keeper.counters
  counters[event.name] = (counters[event.name] or 0) + 1
  if event.seconds then
    counters.seconds, counters.timed = (counters.seconds or 0) + event.seconds, (counters.timed or 0) + 1
  end
  if keeper.on_event then pcall(keeper.on_event, event) end
end

return events
