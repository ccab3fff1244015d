-- How to ask again for an answer that was lost: the same request with the same idempotency key, as a command line.
-- Owns: the sentence, which options it repeats, and the quoting for a POSIX shell. No option's value is a secret. Sends nothing.

local again = {}

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
  if session.key_is_named then add("key", given.key) end
  for _, name in ipairs(REPEATED) do add(name, given[name]) end
  return table.concat(words, " ")
end

--- For a session whose refresh ended with `err`, and what the command was given. -> sentence | nil: no answer is lost
function again.sentence(err, session, given)
  if err.outcome ~= "unknown" or not err.idempotency_key then return nil end
  return "the session file is as it was. Ask once and soon for the same answer again: "
    .. command_line(session, given, err.idempotency_key)
end

return again
