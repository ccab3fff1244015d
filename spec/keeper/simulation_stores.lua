-- The store and the spool of a simulation: stores in memory, whose operations fail.
-- Owns: faults; the question whether an answer is saved in either.
-- Does not know: processes, and what fails elsewhere.

local errors = require "grid.errors"
local grid = require "grid"
local records = require "grid.keeper.record"

local SEAL_KEYS = { ("k"):rep(32) }

local Stores = {}
Stores.__index = Stores

-- ---- Faults ---------------------------------------------------------------------------

-- What a fault does: `before` it the operation is not executed, `after` it it is.
local FAULTS_OF_PUT, FAULTS = { "before", "after", "not_durable" }, { "before", "after" }

local function fault_of(world, method, faults)
  if world.is_calm or not faults then return nil end
  if world.is_down and faults.outage == "all" then return "before" end
  if world.is_down and faults.outage == "puts" then return method == "put" and "before" or nil end
  if faults.spares_reads and method == "get" then return nil end
  if world:chance(faults.chance) then return world:pick(method == "put" and FAULTS_OF_PUT or FAULTS) end
end

local METHODS = { "get", "put", "remove", "due", "list", "durability" }

-- Names in the spool are bytes.
local function shown(id)
  return type(id) == "string" and id:gsub("%W", "."):sub(1, 8) or ""
end

-- The methods of a store, with faults. An operation that fails calls `fail(code)`.
local function spoiled(world, store, name, faults, fail)
  local methods = { name = "simulated" }
  for _, method in ipairs(METHODS) do
    methods[method] = function(_, ...)
      world:pause()
      local fault = fault_of(world, method, faults)
      if fault then world:say(name, method, shown((...)), fault) end
      if fault == "before" then return fail "not_written" end
      local result, second = store[method](store, ...)
      world:pause()
      if fault == "after" then return fail "not_durable" end
      if fault and result then return nil, errors.new { kind = "store", code = "not_durable", message = name } end
      return result, second
    end
  end
  return methods
end

-- ---- The stores -----------------------------------------------------------------------

local function raise_store(code) error("the store: " .. code) end

local function spool_failure(code)
  return nil, errors.new { kind = "store", code = code, message = "the spool: " .. code }
end

local function new_store(world, scenario, memory)
  local store = spoiled(world, memory, "store", scenario.store, raise_store)
  store.is_local = not scenario.is_remote
  return store
end

-- A spool is a store of files: its further methods, over a store in memory.
local function new_spool(world, scenario, memory)
  if not scenario.spool then return nil end
  local spool = spoiled(world, memory, "spool", scenario.spool, spool_failure)
  function spool.prepare() return true end
  function spool.list_readable(_, limit, after) return memory:list(limit, after) end
  return spool
end

--- The record of an id as the store has it.
function Stores:stored(id)
  local record = self.records[id]
  return record and records.unpack(record.blob, id, self.seal_keys)
end

-- The record of an entry of the spool, if it is one of that id. Its form: spool.lua
local function spooled(self, entry, id)
  local size, start = entry.blob:match "^%l+ (%d+):()"
  local record_at = start + tonumber(size)
  if entry.blob:sub(start, record_at - 1) ~= id then return nil end
  return records.unpack(entry.blob:sub(record_at), id, self.seal_keys)
end

local function is_saved(record, family, generation)
  return record ~= nil and record.gen >= generation and record.tokens.access_token:match "^(%w+)" == family
end

--- Has the store this log-in, and neither it nor the spool this generation of it?
function Stores:may_be_lost(id, family, generation)
  local record = self:stored(id)
  if not record or record.state ~= "live" or not is_saved(record, family, 0) or record.gen >= generation then return false end
  for _, entry in pairs(self.entries) do
    if is_saved(spooled(self, entry, id), family, generation) then return false end
  end
  return true
end

--- Is an answer left in the spool, although the store has sessions?
function Stores:has_leftovers()
  return next(self.entries) ~= nil and next(self.records) ~= nil
end

local stores = {}

--- -> { store, spool?, seal_keys?, records, entries: those of both by name }
function stores.new(world, scenario)
  local memory, spool_memory = grid.store.memory(), grid.store.memory()
  return setmetatable({
    store = new_store(world, scenario, memory), spool = new_spool(world, scenario, spool_memory),
    records = memory.records, entries = spool_memory.records, seal_keys = scenario.is_sealed and SEAL_KEYS or nil,
  }, Stores)
end

return stores
