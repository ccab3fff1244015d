-- Base64 in both its alphabets, and the addresses of Solana, as bytes: for looking into things, never for secrets.
-- Owns: the arithmetic, without operators for bits, since the two VMs share none.

local decode = {}

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
local BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

--- The bytes of a text in base64 (RFC 4648 sections 4 and 5), padded or not; nil for any other text.
function decode.base64(text)
  text = text:gsub("+", "-"):gsub("/", "_"):gsub("=+$", "")
  if text:find "[^%w_-]" or #text % 4 == 1 then return nil end
  local bytes, pending, bits = {}, 0, 0
  for letter in text:gmatch "." do
    pending, bits = pending * 64 + BASE64:find(letter, 1, true) - 1, bits + 6
    if bits >= 8 then
      bits = bits - 8
      bytes[#bytes + 1] = string.char(math.floor(pending / 2 ^ bits))
      pending = pending % 2 ^ bits
    end
  end
  return table.concat(bytes)
end

local ADDRESS_BYTES = 32

--- The 32 bytes of an address; nil for any other text.
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
  -- A leading zero byte is a leading "1": anything else is another length.
  return #text:match "^1*" == zeros and table.concat(bytes) or nil
end

return decode
