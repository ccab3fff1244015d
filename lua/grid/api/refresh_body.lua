-- Builds the body of POST /auth/refresh-session. The text of a kms_payload is sent byte
-- for byte.
-- Owns: the two members of the body, and what a kms_payload must be before it may be
-- sent. Pure: values in, values out.
-- Does not know: HTTP, and what the tokens inside mean.

local errors = require "grid.errors"
local json = require "grid.json"
local session = require "grid.api.session"

local refresh_body = {}

local MARK = "\239\187\191" -- a byte order mark

local function refuse(code, message)
  return nil, errors.new { kind = "request", code = code, message = message }
end

-- May the JSON text have a member of that name? A backslash could begin an escape of the
-- name's letters.
local function may_have(text, name)
  return text:find(name, 1, true) or text:find("\\", 1, true)
end

local function has_turnkey_session(text)
  return may_have(text, "Turnkey") and (json.slice(text, "session", "Turnkey") or "null") ~= "null"
end

-- -> the text | nil, error
local function check_text(payload)
  if payload:sub(1, #MARK) == MARK then
    return refuse("bad_payload", "kms_payload begins with a byte order mark, which must not be sent: remove these 3 bytes")
  end
  local is_json, _, _, fault = json.slice(payload)
  if not is_json then return refuse("bad_payload", "kms_payload is not valid JSON: " .. fault) end
  if has_turnkey_session(payload) then
    return refuse("turnkey_session", "kms_payload holds a Turnkey session, which the service cannot refresh")
  end
  return payload
end

-- The text of a kms_payload. One that json.encode writes is valid; only its table is
-- checked for a Turnkey session. -> text | nil, error
local function text_of(payload)
  if type(payload) == "string" then return check_text(payload) end
  local text, kind, code, message = json.encode(payload)
  if not text then return nil, errors.from_core(kind, code, "kms_payload: " .. message) end
  if session.is_turnkey(payload) then return check_text(text) end
  return text
end

-- A caller may give the text of a session file, which holds a private key, in place of
-- its kms_payload. -> text | nil, error
local function read_payload(payload)
  local text, err = text_of(payload)
  if not text then return nil, err end
  if may_have(text, "private_key") and json.slice(text, "private_key") then
    return refuse("private_key", "kms_payload holds a private key, which must not be sent")
  end
  if not text:find "^[ \t\r\n]*{" then return refuse("bad_payload", "kms_payload is not a JSON object") end
  return text
end

--- The body, and the text of the payload in it. Without a payload the body has no such
--- member: the cookie flow.
---@param public_key string
---@param payload? string|table
---@return string? body, string|grid.Error|nil text
function refresh_body.new(public_key, payload)
  local text, err
  if payload ~= nil then
    text, err = read_payload(payload)
    if not text then return nil, err end
  end
  local quoted, kind, code, message = json.encode(public_key)
  if not quoted and code == "bad_value" then return refuse("bad_utf8", "encryption_public_key: " .. message) end
  if not quoted then return nil, errors.from_core(kind, code, message) end
  if not text then return '{"encryption_public_key":' .. quoted .. "}" end
  return '{"encryption_public_key":' .. quoted .. ',"kms_payload":' .. text .. "}", text
end

return refresh_body
