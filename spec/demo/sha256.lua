-- SHA-256 (FIPS 180-4) in plain Lua 5.4, for fingerprints: a token must reach neither a command line nor a file, so no command can
-- be asked for it. Not for large texts, nor for secrets that must be wiped.

local K = {}
local INITIAL = {}

-- FIPS 180-4, 4.2.2 and 5.3.3: the first 32 bits of the fractional parts of the cube and square roots of the first primes.
local function fraction(root)
  return math.floor((root % 1) * 2 ^ 32)
end

local candidate = 2
while #K < 64 do
  local prime = true
  for divisor = 2, math.floor(candidate ^ 0.5) do
    if candidate % divisor == 0 then prime = false end
  end
  if prime then
    if #INITIAL < 8 then INITIAL[#INITIAL + 1] = fraction(candidate ^ 0.5) end
    K[#K + 1] = fraction(candidate ^ (1 / 3))
  end
  candidate = candidate + 1
end

local function rotate(x, n)
  return (x >> n | x << (32 - n)) & 0xffffffff
end

local function schedule(block)
  local w = { (">I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4I4"):unpack(block) }
  for t = 17, 64 do
    local a, b = w[t - 15], w[t - 2]
    local s0 = rotate(a, 7) ~ rotate(a, 18) ~ a >> 3
    local s1 = rotate(b, 17) ~ rotate(b, 19) ~ b >> 10
    w[t] = w[t - 16] + s0 + w[t - 7] + s1 & 0xffffffff
  end
  return w
end

-- FIPS 180-4, 6.2.2
local function compress(hash, block)
  local w = schedule(block)
  local a, b, c, d, e, f, g, h = table.unpack(hash)
  for t = 1, 64 do
    local t1 = h + (rotate(e, 6) ~ rotate(e, 11) ~ rotate(e, 25)) + (e & f ~ ~e & g) + K[t] + w[t]
    local t2 = (rotate(a, 2) ~ rotate(a, 13) ~ rotate(a, 22)) + (a & b ~ a & c ~ b & c)
    a, b, c, d, e, f, g, h = t1 + t2 & 0xffffffff, a, b, c, d + t1 & 0xffffffff, e, f, g
  end
  for i, value in ipairs { a, b, c, d, e, f, g, h } do hash[i] = hash[i] + value & 0xffffffff end
end

--- The digest in lower-case hexadecimal.
return function(text)
  local hash = table.move(INITIAL, 1, 8, 1, {})
  local padded = text .. "\128" .. ("\0"):rep(-(#text + 9) % 64) .. (">I8"):pack(#text * 8)
  for at = 1, #padded, 64 do compress(hash, padded:sub(at, at + 63)) end
  return (("%08x"):rep(8)):format(table.unpack(hash))
end
