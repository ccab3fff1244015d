-- Tells a program what its keeper does: on_event, and the counters of the metrics.
-- Owns: the counters.
-- Does not know: why something happened. An event has name, and where they are known id,
-- generation, seconds, kind and code; never a secret.

local events = {}

events.NAMES = {
  "added", "refreshed", "adopted", "replayed", "failed", "dead", "dropped", "suspended", "resumed", "removed", "spooled",
}

---@class (exact) grid.KeeperEvent
---@field name string added, refreshed, adopted, replayed, failed, dead, dropped, suspended, resumed, removed, spooled
---@field id string? nil: the store did not tell which sessions are due, or the spool cannot be used
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
