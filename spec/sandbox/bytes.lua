-- Random bytes and the spellings of bytes: strict base64, base64url, base58, UUIDs.
-- Does not know: what they mean here.

local ffi = require "ffi"
local decode_base64, encode_base64 = ngx.decode_base64, ngx.encode_base64

ffi.cdef [[
int RAND_bytes(unsigned char *buf, int num);
]]

local bytes = {}

local POOL = 256
local pool = ffi.new("unsigned char[?]", POOL)

function bytes.random(count)
  assert(count <= POOL and ffi.C.RAND_bytes(pool, count) == 1)
  return ffi.string(pool, count)
end

function bytes.hex(text)
  return (text:gsub(".", function(letter) return string.format("%02x", letter:byte()) end))
end

--- The bytes of an even number of hexadecimal digits, or nil.
function bytes.from_hex(text)
  if #text % 2 == 1 or text:find "%X" then return nil end
  return (text:gsub("..", function(digits) return string.char(tonumber(digits, 16)) end))
end

--- Standard base64 in its one right spelling (RFC 4648: padding present, unused bits
--- zero), or nil.
function bytes.from_base64(text)
  local decoded = decode_base64(text)
  if decoded and encode_base64(decoded) == text then return decoded end
end

function bytes.base64url(text)
  return (encode_base64(text, true):gsub("[+/]", { ["+"] = "-", ["/"] = "_" }))
end

--- Random text that is safe in a header, a cookie and a URL.
function bytes.random_text(count)
  return bytes.base64url(bytes.random(count))
end

function bytes.uuid()
  assert(ffi.C.RAND_bytes(pool, 16) == 1)
  return string.format("%02x%02x%02x%02x-%02x%02x-4%x%02x-%x%x%02x-%02x%02x%02x%02x%02x%02x",
    pool[0], pool[1], pool[2], pool[3], pool[4], pool[5], pool[6] % 16, pool[7], 8 + pool[8] % 4, pool[8] / 16, pool[9],
    pool[10], pool[11], pool[12], pool[13], pool[14], pool[15])
end

local BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

--- Base58 as Solana writes addresses.
function bytes.base58(text)
  local digits = {} -- little-endian, base 58
  for i = 1, #text do
    local carry = text:byte(i)
    for j = 1, #digits do
      carry = carry + digits[j] * 256
      digits[j] = carry % 58
      carry = (carry - digits[j]) / 58
    end
    while carry > 0 do
      digits[#digits + 1] = carry % 58
      carry = (carry - carry % 58) / 58
    end
  end
  local letters = { (text:match("^%z*"):gsub("%z", "1")) }
  for j = #digits, 1, -1 do letters[#letters + 1] = BASE58:sub(digits[j] + 1, digits[j] + 1) end
  return table.concat(letters)
end

--- The bytes that base58 stands for, or nil.
function bytes.from_base58(text)
  local octets = {} -- little-endian
  for letter in text:gmatch "." do
    local carry = (BASE58:find(letter, 1, true) or 0) - 1
    if carry < 0 then return nil end
    for j = 1, #octets do
      carry = carry + octets[j] * 58
      octets[j] = carry % 256
      carry = (carry - octets[j]) / 256
    end
    if carry > 0 then octets[#octets + 1] = carry end
  end
  local letters = { (text:match("^1*"):gsub("1", "\0")) }
  for j = #octets, 1, -1 do letters[#letters + 1] = string.char(octets[j]) end
  return table.concat(letters)
end

return bytes
