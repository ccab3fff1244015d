-- Decodes base64 of both alphabets, and addresses of Solana. Not for secrets, since Lua
-- strings are not wiped.
-- Owns: the arithmetic of base58, without bit operators: Lua 5.4 and LuaJIT have none in
-- common.
-- Does not know: transactions.

local core = require "grid.core"

local decode = {}

--- The bytes of base64 (RFC 4648 sections 4 and 5), padded or not | nil
function decode.base64(text)
  return (core.base64url_decode((text:gsub("+", "-"):gsub("/", "_"):gsub("=+$", ""))))
end

local BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
local ADDRESS_BYTES = 32

--- The 32 bytes of an address | nil
function decode.address(text)
  local number = {} -- little-endian
  for i = 1, ADDRESS_BYTES do number[i] = 0 end
  for letter in text:gmatch "." do
    local carry = BASE58:find(letter, 1, true)
    if not carry then return nil end
    carry = carry - 1
    for i = 1, ADDRESS_BYTES do
      local sum = number[i] * 58 + carry
      number[i], carry = sum % 256, math.floor(sum / 256)
    end
    if carry > 0 then return nil end
  end
  local bytes, zeros = {}, 0
  for i = 1, ADDRESS_BYTES do bytes[i] = string.char(number[ADDRESS_BYTES + 1 - i]) end
  while zeros < ADDRESS_BYTES and number[ADDRESS_BYTES - zeros] == 0 do zeros = zeros + 1 end
  -- Base58 writes each leading zero byte as "1": another count means another length.
  return #text:match "^1*" == zeros and table.concat(bytes) or nil
end

return decode
