-- Reads `encryption_public_key`: base64 of a P-256 SubjectPublicKeyInfo whose point lies
-- on the curve. libcrypto, which nginx has loaded anyway, does the curve; nothing here is
-- shared with the library under test.
-- Does not know: what a key is used for.

local ffi = require "ffi"
local bytes = require "sandbox.bytes"
local libcrypto = require "sandbox.libcrypto"

ffi.cdef [[
typedef struct ec_group_st EC_GROUP;
typedef struct ec_point_st EC_POINT;
EC_GROUP *EC_GROUP_new_by_curve_name(int nid);
EC_POINT *EC_POINT_new(const EC_GROUP *group);
int EC_POINT_oct2point(const EC_GROUP *group, EC_POINT *point, const unsigned char *buf, size_t len, void *ctx);
size_t EC_POINT_point2oct(const EC_GROUP *group, const EC_POINT *point, int form, unsigned char *buf, size_t len, void *ctx);
]]

local keys = {}

local NID_P256 = 415 -- NID_X9_62_prime256v1
local FORM_UNCOMPRESSED, POINT = 4, 65
local group = ffi.C.EC_GROUP_new_by_curve_name(NID_P256)
local point = ffi.C.EC_POINT_new(group)
local buffer = ffi.new("unsigned char[?]", POINT)

-- RFC 5480: SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING }; only the
-- two lengths tell the forms apart.
local ALGORITHM = "\48\19\6\7\42\134\72\206\61\2\1\6\8\42\134\72\206\61\3\1\7"
local UNCOMPRESSED = "\48\89" .. ALGORITHM .. "\3\66\0\4"
local COMPRESSED = "\48\57" .. ALGORITHM .. "\3\34\0"

local known, known_count = {}, 0 -- points of valid texts, since clients send one key many times
local KNOWN_LIMIT = 4096

local function read_spki(der)
  local form = #der == 91 and UNCOMPRESSED or #der == 59 and COMPRESSED
  if not form or der:sub(1, #form) ~= form then return nil end
  local octets = der:sub(27)
  if not libcrypto.succeeded(ffi.C.EC_POINT_oct2point(group, point, octets, #octets, nil)) then return nil end
  assert(ffi.C.EC_POINT_point2oct(group, point, FORM_UNCOMPRESSED, buffer, POINT, nil) == POINT)
  return ffi.string(buffer, POINT)
end

--- The point of a public key, 65 bytes in uncompressed form.
---@return string|nil point, string|nil problem
function keys.point(text)
  if known[text] then return known[text] end
  local der = bytes.from_base64(text)
  if not der then return nil, "is not standard base64" end
  local octets = read_spki(der)
  if not octets then return nil, "is not the SPKI DER of a P-256 key" end
  if known_count >= KNOWN_LIMIT then known, known_count = {}, 0 end
  known[text], known_count = octets, known_count + 1
  return octets
end

return keys
