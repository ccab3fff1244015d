-- Builds the events of each attempt of a call, and passes them to on_event.
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

local function conceal(fields, res, err)
  if res or err then hidden[fields] = { result = res, error = err } end
  setmetatable(fields, Event)
end

--- Passes an event of the call to its handler. Errors that the handler raises are
--- discarded: they must not replace the answer.
function event.emit(call, name, fields)
  local request = call.request
  fields.name, fields.method, fields.path = name, request.method, request.path:match "^[^?]*"
  fields.attempt, fields.idempotency_key = call.attempts, request.idempotency_key
  if fields.abandoned then conceal(fields, call.res, call.err) end
  pcall(call.http.options.on_event, fields)
end

function event.emit_response(call, answer)
  local result = call.err or call.res
  event.emit(call, "response", {
    status = answer.status,
    bytes = answer.bytes,
    seconds = answer.seconds,
    connect_seconds = answer.connect_seconds,
    request_id = result.request_id,
    kind = call.err and call.err.kind,
    code = call.err and call.err.code,
    abandoned = call.scheduler and call.scheduler:has_no_waiter() or nil,
  })
end

return event
