-- The record of a session as bytes, plain or sealed. After an error from here the caller
-- must not write to the store. Pure but for the random salt of a seal.
-- Owns: the fields of a record, and the versions of its form. Version 1 must always stay
-- readable: spec/keeper/golden has its bytes.
-- Does not know: stores; what the fields are used for.

local codec = require "grid.keeper.codec"
local errors = require "grid.errors"
local seal = require "grid.keeper.seal"

local record = {}

local VERSION = 1
record.MOST_TOKENS = 1000 -- core.fields_encode writes maps of up to 1000 names

local NAME = "^[0-9A-Za-z_]+$" -- that core.fields_encode writes; %w follows the locale

--- The tokens that a record can hold | nil: there are too many of them.
function record.texts(tokens)
  local texts, count = {}, 0
  for name, value in pairs(tokens) do
    if type(value) == "string" and type(name) == "string" and name:find(NAME) then
      texts[name], count = value, count + 1
    end
  end
  return count <= record.MOST_TOKENS and texts or nil
end

local text, integer, seconds, flag = codec.text, codec.integer, codec.seconds, codec.flag

local STAMP = codec.struct {
  { "wall", seconds }, { "boot", seconds }, { "boot_id", text, "optional" }, { "time_namespace", text, "optional" },
}

local FROM = codec.struct { { "parent", integer }, { "attempt", integer }, { "key", text } }

local OWNER = codec.struct {
  { "machine_id", text, "optional" }, { "boot_id", text, "optional" },
  { "pid_namespace", text, "optional" }, { "time_namespace", text, "optional" },
  { "pid", text }, { "start_time", text, "optional" }, { "instance", text },
  { "time", text }, { "deadline", text },
}

local INTENT = codec.struct {
  { "key", text }, { "keys", integer }, { "grant", codec.map }, { "opener", text, "optional" },
  { "parent", integer }, { "first_sent", STAMP }, { "attempt", integer }, { "open", flag }, { "doubt", flag },
  { "stuck", integer }, { "write_id", text }, { "owner", OWNER },
}

local RAW = codec.struct {
  { "answer", text }, { "status", integer, "optional" }, { "headers", codec.map, "optional" },
  { "parent", integer }, { "attempt", integer }, { "key", text }, { "opener", text, "optional" },
  { "grant", codec.map }, { "obtained", STAMP },
}

local ENTRY = codec.struct {
  { "tokens", codec.map }, { "answer", text }, { "life", seconds }, { "obtained", STAMP },
  { "skew", seconds, "optional" }, { "from", FROM, "optional" },
}

local BACKOFF = codec.struct {
  { "failures", integer }, { "seconds", seconds }, { "since", STAMP }, { "code", text, "optional" },
}

-- id, lineage    name of the record; a random name for each session that was added
-- gen, writes    generation of the tokens; number of the write, for the seal
-- state          "live" | "dead" (the server rejected the refresh token) | "removed"
-- tokens         texts by name, as the exchange returned them, with `refresh_token`
-- answer         the exact bytes of the answer that the tokens are from
-- life           seconds
-- obtained       stamp of the request
-- skew           seconds by which the server's clock is ahead
-- from           { parent, attempt, key } of the answer | nil: the session was added
-- spares         other answers to the parent of `from`, which are not used yet
-- raws           answers that could not be read, each with the key that opens it
-- intent         of a refresh in flight, or with an unknown outcome: see intent.lua
-- backoff        { failures, seconds, since, code }: no attempt before that time
-- dead           { code, after_unknown }
-- owner          of an exchange that was in flight when the session was removed
local RECORD = codec.struct {
  { "id", text }, { "lineage", text }, { "gen", integer }, { "writes", integer }, { "state", text },
  { "tokens", codec.map, "optional" }, { "answer", text, "optional" }, { "life", seconds, "optional" },
  { "obtained", STAMP, "optional" }, { "skew", seconds, "optional" }, { "from", FROM, "optional" },
  { "spares", codec.list(ENTRY), "optional" }, { "raws", codec.list(RAW), "optional" },
  { "intent", INTENT, "optional" }, { "backoff", BACKOFF, "optional" },
  { "dead", codec.struct { { "code", text, "optional" }, { "after_unknown", flag } }, "optional" },
  { "owner", OWNER, "optional" },
}

local HEADER = "grid-keeper-record 1\n"

-- The length of the whole record shows whether the bytes were cut off between two fields.
local WHOLE = codec.struct { { "record", RECORD } }

-- The readers of all versions, by header. A reader is never removed.
local READERS = {
  [HEADER] = function(bytes)
    local whole = WHOLE.read(bytes)
    return whole and whole.record
  end,
}

local function failure(code, message)
  return errors.new { kind = "store", code = code, message = message }
end

-- The fields that each state has.
local function is_complete(value)
  if value.state == "removed" then return value.owner ~= nil end
  local has_session = value.tokens and value.answer and value.life and value.obtained
  return has_session and (value.state == "live" or value.state == "dead" and value.dead ~= nil)
end

-- A record of a newer lua-grid is refused: writing it back would lose its new fields.
local function unknown_version(blob)
  local what, version = blob:match "^grid%-keeper%-(%a+) (%d+)\n"
  if not what then return failure("record_corrupt", "the record is damaged: restore it from a backup") end
  return failure("record_version", ("the %s record has version %s, and this lua-grid reads up to version %d: update lua-grid")
    :format(what == "sealed" and "sealed" or "plain", version:sub(1, 10), VERSION))
end

local function decode(blob, id)
  local header = blob:match "^[^\n]*\n"
  local reader = READERS[header]
  if not reader then return nil, unknown_version(blob) end
  local value = reader(blob:sub(#header + 1))
  if not value or not is_complete(value) then
    return nil, failure("record_corrupt", "the record is damaged: restore it from a backup")
  end
  if value.id ~= id then return nil, failure("record_swapped", "the record is that of another id: restore it from a backup") end
  return value
end

--- The bytes for the store, sealed if there are seal keys.
---@param value table a record
---@param seal_keys? string[]
---@return string? blob, grid.Error?
function record.pack(value, seal_keys)
  local bytes = codec.encode(WHOLE, { record = value }, HEADER)
  if not seal_keys then return bytes end
  return seal.seal(bytes, value, seal_keys)
end

local function is_sealed(blob)
  return blob:find("^grid%-keeper%-sealed ") ~= nil
end

--- The record of an id from the bytes of the store.
---@param blob string
---@param id string
---@param seal_keys? string[]
---@return table? record, grid.Error?
function record.unpack(blob, id, seal_keys)
  if not is_sealed(blob) then
    if not seal_keys then return decode(blob, id) end
    return nil, failure("record_not_sealed", "the record is not sealed, and seal_keys are set: "
      .. "remove it with a keeper without seal_keys, then add the session")
  end
  if blob:sub(1, #seal.HEADER) ~= seal.HEADER then return nil, unknown_version(blob) end
  if not seal_keys then return nil, failure("record_sealed", "the record is sealed: set seal_keys (seal_key_files)") end
  local plaintext, err = seal.open(blob, id, seal_keys)
  if not plaintext then return nil, err end
  return decode(plaintext, id)
end

return record
