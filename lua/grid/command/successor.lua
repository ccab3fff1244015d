-- The kms_payload that follows another: what is to be stored after a refresh.
-- Owns: the rule that an answer without a refresh token means "keep the one you have". Works on bytes: nothing else changes, and
-- no number, empty array or unknown member passes through a table.

local json = require "grid.json"

local successor = {}

-- The raw JSON of a refresh token that can be spent: a string that is not empty.
local function living(raw)
  return raw ~= nil and raw:sub(1, 1) == '"' and raw ~= '""'
end

local function refresh_token(payload)
  return json.slice(payload, "session", "Privy", "refresh_token")
end

-- A token never moves into the session of another user.
local function same_user(old, new)
  local before, after = json.slice(old, "session", "Privy", "user_id"), json.slice(new, "session", "Privy", "user_id")
  return before == nil or after == nil or json.decode(before) == json.decode(after)
end

local function replaced(text, from, size, by)
  return text:sub(1, from - 1) .. by .. text:sub(from + size)
end

--- The bytes to store, given the payload that was sent and the one that came for it, both valid JSON objects.
---@param old string
---@param new string
---@return string
function successor.of(old, new)
  local kept = refresh_token(old)
  local given, position = refresh_token(new)
  if living(given) or not living(kept) or not same_user(old, new) then return new end
  if given then return replaced(new, position, #given, kept) end
  local session, start = json.slice(new, "session", "Privy")
  if not session or session:sub(1, 1) ~= "{" then return new end
  local comma = session:find "^{%s*}" and "" or ","
  return replaced(new, start, 1, '{"refresh_token":' .. kept .. comma)
end

return successor
