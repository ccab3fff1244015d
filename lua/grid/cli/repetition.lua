-- The command line that repeats a refresh whose answer was lost: the same request with
-- the same idempotency key.
-- Owns: the sentence, which options it repeats, and the quoting for a POSIX shell. No
-- value of these options is a secret.
-- Does not know: which refreshes are repeated, which is in grid.api.session.

local sessions = require "grid.api.session"

local repetition = {}

local REPEATED = { "api-key-file", "base-url", "environment", "ca-file", "timeout" }

local function quoted(value)
  local text = tostring(value)
  if text:find "^[%w%%+,./:=@_-]+$" then return text end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function command_line(session, given, idempotency_key)
  local words = { "grid refresh", quoted((session.path:gsub("^%-", "./-"))) }
  local function add(name, value)
    if value ~= nil then words[#words + 1] = ("--%s %s"):format(name, quoted(value)) end
  end
  add("idempotency-key", idempotency_key)
  if session.has_named_key then add("key", given.key) end
  for _, name in ipairs(REPEATED) do add(name, given[name]) end
  return table.concat(words, " ")
end

--- For a session whose refresh failed with `err`, and the options of the command.
--- -> sentence | nil: the refresh is not to be repeated with the same key
function repetition.sentence(err, session, given)
  local idempotency_key = sessions.repeat_key(err)
  if not idempotency_key then return nil end
  return "the session file is unchanged. To ask for the lost answer, run once and soon again: "
    .. command_line(session, given, idempotency_key)
end

return repetition
