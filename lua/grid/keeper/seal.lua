-- Seals records: ChaCha20-Poly1305 with a new key for each write, which HKDF derives from
-- a seal key and a random salt. Id, lineage and write counter are associated data, so
-- that a sealed record cannot take the place of another one. An older copy of the same
-- record is not detected.
-- Owns: the form of a sealed record. The first seal key seals, each of them opens. After
-- an error from here the caller must not write to the store.
-- Does not know: the content of a record; stores.

local codec = require "grid.keeper.codec"
local core = require "grid.core"
local errors = require "grid.errors"

local seal = {}

seal.HEADER = "grid-keeper-sealed 1\n"
local INFO = "grid keeper seal 1"
local SALT_SIZE, KEY_SIZE, NONCE_SIZE = 32, 32, 12

local ENVELOPE = codec.struct {
  { "lineage", codec.text }, { "writes", codec.integer }, { "salt", codec.text }, { "box", codec.text },
}
local ASSOCIATED = codec.struct { { "id", codec.text }, { "lineage", codec.text }, { "writes", codec.integer } }

local function secrets_of(seal_key, salt)
  local okm, err = errors.core_result(core.hkdf_sha256(seal_key, salt, INFO, KEY_SIZE + NONCE_SIZE))
  if not okm then return nil, err end
  return okm:sub(1, KEY_SIZE), okm:sub(KEY_SIZE + 1)
end

local function associated_data(id, lineage, writes)
  return seal.HEADER .. codec.encode(ASSOCIATED, { id = id, lineage = lineage, writes = writes })
end

--- Seals the bytes of a record with the first of the keys.
---@param plaintext string
---@param record { id: string, lineage: string, writes: integer }
---@param keys string[] 32 bytes each
---@return string? blob, grid.Error?
function seal.seal(plaintext, record, keys)
  local salt, err = errors.core_result(core.random_bytes(SALT_SIZE))
  if not salt then return nil, err end
  local key, nonce = secrets_of(keys[1], salt)
  if not key then return nil, nonce end
  local aad = associated_data(record.id, record.lineage, record.writes)
  local box
  box, err = errors.core_result(core.aead_seal(key, nonce, aad, plaintext))
  if not box then return nil, err end
  return seal.HEADER .. codec.encode(ENVELOPE, {
    lineage = record.lineage, writes = record.writes, salt = salt, box = box,
  })
end

local function failure(code, message)
  return errors.new { kind = "store", code = code, message = message }
end

--- Opens a sealed record with the first key that fits.
---@param id string the id with which the record was read
---@return string? plaintext, grid.Error?
function seal.open(blob, id, keys)
  local envelope = ENVELOPE.read(blob:sub(#seal.HEADER + 1))
  if not envelope then return nil, failure("record_corrupt", "the sealed record is damaged: restore it from a backup") end
  local aad = associated_data(id, envelope.lineage, envelope.writes)
  for _, seal_key in ipairs(keys) do
    local key, nonce = secrets_of(seal_key, envelope.salt)
    if not key then return nil, nonce end
    local plaintext = core.aead_open(key, nonce, aad, envelope.box)
    if plaintext then return plaintext end
  end
  return nil, failure("record_not_opened",
    "no seal key opens the record, or the record was changed: add the key that sealed it to seal_keys (seal_key_files)")
end

return seal
