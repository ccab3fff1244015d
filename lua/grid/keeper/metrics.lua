-- The state of a keeper in Prometheus' text format (version 0.0.4).
-- Owns: the names of the metrics.
-- Does not know: the reader. No id is a label: ids are many, and may identify users.

local clock = require "grid.keeper.clock"
local events = require "grid.keeper.events"
local flights = require "grid.keeper.flights"
local memory = require "grid.keeper.memory"

local metrics = {}

local STATES = { "fresh", "advisory", "mandatory", "expired", "dead" }

local function size(of)
  local count = 0
  for _ in pairs(of) do count = count + 1 end
  return count
end

local function sessions_by_state(keeper)
  local counts, now = {}, clock.boot()
  for _, entry in pairs(keeper.entries) do
    local state = entry.dead and "dead" or memory.state(entry, now)
    counts[state] = (counts[state] or 0) + 1
  end
  return counts
end

-- Whole numbers, or milliseconds: the form must not depend on the locale.
local function number(value)
  if value == math.floor(value) then return ("%.0f"):format(value) end
  return (("%.3f"):format(value):gsub("%D", "."))
end

local Text = {}
Text.__index = Text

function Text:metric(name, kind, help)
  self[#self + 1] = ("# HELP grid_keeper_%s %s\n# TYPE grid_keeper_%s %s\n"):format(name, help, name, kind)
end

function Text:value(name, value)
  self[#self + 1] = ("grid_keeper_%s %s\n"):format(name, number(value))
end

---@return string
function metrics.text(keeper)
  local text = setmetatable({}, Text)
  text:metric("events_total", "counter", "What the keeper did, by the name of the event.")
  for _, name in ipairs(events.NAMES) do
    text:value(('events_total{event="%s"}'):format(name), keeper.counters[name] or 0)
  end
  text:metric("refresh_seconds", "summary", "From the sending of a request to the end of the save.")
  text:value("refresh_seconds_sum", keeper.counters.seconds or 0)
  text:value("refresh_seconds_count", keeper.counters.timed or 0)
  text:metric("sessions", "gauge", "Sessions that this process has in memory, by state.")
  local counts = sessions_by_state(keeper)
  for _, state in ipairs(STATES) do text:value(('sessions{state="%s"}'):format(state), counts[state] or 0) end
  text:metric("refreshes_in_flight", "gauge", "Refreshes in flight in this process.")
  text:value("refreshes_in_flight", flights.count(keeper))
  text:metric("answers_pending", "gauge", "Answers that the store has not taken yet.")
  text:value("answers_pending", size(keeper.pending))
  text:metric("refresh_due_timestamp_seconds", "gauge", "When refresh_due ended last; 0: never.")
  text:value("refresh_due_timestamp_seconds", keeper.last_due or 0)
  return table.concat(text)
end

return metrics
