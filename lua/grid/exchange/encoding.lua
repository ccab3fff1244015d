-- Encodes the parts of OAuth 2.0 requests: forms and base64.
-- Owns: these encodings. Pure: values in, values out.
-- Does not know: requests, keys and secrets.

local core = require "grid.core"

local encoding = {}

--- Encodes a name or a value for application/x-www-form-urlencoded (RFC 6749 appendix B).
function encoding.escape(text)
  if text:find "^[a-zA-Z0-9*%-._]*$" then return text end
  local escaped = text:gsub("[^0-9A-Za-z*%-._ ]", function(byte) return ("%%%02X"):format(byte:byte()) end)
  return (escaped:gsub(" ", "+"))
end

--- The text of a form.
---@param fields string[][] { name, value } each, in the order of the text
function encoding.form(fields)
  local parts = {}
  for i, field in ipairs(fields) do parts[i] = encoding.escape(field[1]) .. "=" .. encoding.escape(field[2]) end
  return table.concat(parts, "&")
end

--- Base64 with the standard alphabet and padding (RFC 4648 section 4).
function encoding.base64(bytes)
  local text = assert(core.base64url_encode(bytes)):gsub("[-_]", { ["-"] = "+", ["_"] = "/" })
  return text .. ("="):rep(-#text % 4)
end

--- The bytes of valid base64 with the standard alphabet.
function encoding.base64_bytes(text)
  local without_padding = text:gsub("=+$", ""):gsub("[+/]", { ["+"] = "-", ["/"] = "_" })
  return assert(core.base64url_decode(without_padding))
end

return encoding
