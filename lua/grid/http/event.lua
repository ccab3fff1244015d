-- Events: what on_event hears of each try of a call.
-- Owns: their form; the result or error of an abandoned call, kept where no dump of the
-- table shows it.
-- Does not know: how a call goes.

local event = {}

---@class grid.Event
---@field name "request"|"retry"|"response"
---@field method string
---@field path string
---@field attempt integer
---@field bytes integer? of the body, sent or received
---@field seconds number? of the exchange
---@field connect_seconds number? of them until connected; 0 on a reused connection
---@field delay number? seconds until the next try
---@field status integer?
---@field kind string? of the error, as in grid.Error
---@field code string?
---@field request_id string?
---@field idempotency_key string?
---@field abandoned true? the caller is gone: this event alone has the answer
---@field result grid.Result? of an abandoned call; not shown by pairs: it holds secrets
---@field error grid.Error? of an abandoned call; not shown by pairs
local Event = { __name = "grid.event" }

local aside = setmetatable({}, { __mode = "k" })

function Event:__index(name)
  if name == "result" or name == "error" then return aside[self] and aside[self][name] end
end

--- Takes the table over. The result or error of an abandoned call stays reachable, and is
--- not shown.
function event.new(fields, res, err)
  if res or err then aside[fields] = { result = res, error = err } end
  return setmetatable(fields, Event)
end

return event
