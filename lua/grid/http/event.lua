-- Builds the events that on_event receives for each attempt of a call.
-- Owns: the fields of an event; the result or error of an abandoned call, which `pairs`
-- does not list.
-- Does not know: the order of events.

local event = {}

---@class grid.Event
---@field name "request"|"retry"|"response"
---@field method string
---@field path string
---@field attempt integer
---@field bytes integer? of the body, sent or received
---@field seconds number? of the exchange
---@field connect_seconds number? the part of `seconds` until connected; 0 on a reused connection
---@field delay number? seconds until the next attempt
---@field status integer?
---@field kind string? of the error, as in grid.Error
---@field code string?
---@field request_id string?
---@field idempotency_key string?
---@field abandoned true? the caller has ended: the answer is in this event only
---@field result grid.Result? of an abandoned call; not listed by pairs, since it contains secrets
---@field error grid.Error? of an abandoned call; not listed by pairs
local Event = { __name = "grid.event" }

local hidden = setmetatable({}, { __mode = "k" })

function Event:__index(name)
  if name == "result" or name == "error" then return hidden[self] and hidden[self][name] end
end

--- Makes `fields` an event. The result or error of an abandoned call can be read by name,
--- and is not listed by `pairs`.
function event.new(fields, res, err)
  if res or err then hidden[fields] = { result = res, error = err } end
  return setmetatable(fields, Event)
end

return event
