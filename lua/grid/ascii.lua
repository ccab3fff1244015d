-- Converts ASCII letters to lower case, in names whose case has no meaning: header
-- fields, schemes, hosts.
-- Owns: the letters. On Lua 5.4, string.lower and classes like %w follow the program's
-- locale: under tr_TR, ("I"):lower() is "I".
-- Does not know: the names.

local ascii = {}

local LOWER = {}
for byte = ("A"):byte(), ("Z"):byte() do LOWER[string.char(byte)] = string.char(byte + 32) end

--- The text with its ASCII letters in lower case. All other bytes stay as they are.
function ascii.lower(text)
  return (text:gsub("[A-Z]", LOWER))
end

return ascii
