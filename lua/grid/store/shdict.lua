-- A store in a shared dictionary of nginx, for the workers of one nginx.
-- Owns: the share of the dictionary that is kept free, and when a bucket is read again.
-- Does not know: the keys of the dictionary, which are in shdict_pages.lua; what is in a
-- blob.

local argument = require "grid.argument"
local contract = require "grid.store.contract"
local core = require "grid.core"
local pages = require "grid.store.shdict_pages"
local schema = require "grid.schema"

local shdict = {}

local Shdict = { __name = "grid.store.shdict", is_local = true }
Shdict.__index = Shdict

local OPTIONS = { dict = { type = "string", required = true, check = schema.plain } }

local RESERVED = 1 / 16 -- of the dictionary: no record is added to it
local RESERVED_TO_SHRINK = 1 / 32 -- no record is replaced in it by a longer one

local rev_of = pages.rev_of

---@class (exact) grid.ShdictStoreOptions
---@field dict string the name of a `lua_shared_dict` that only stores use

--- A store in a dictionary with the methods of ngx.shared.DICT.
---@param pid? fun(): integer the process id of the worker
function shdict.over(dict, name, pid)
  return setmetatable({ pages = pages.new(dict, name, pid or core.pid), scanned = {} }, Shdict)
end

--- A store in that shared dictionary.
---@param given grid.ShdictStoreOptions
---@return grid.Store
function shdict.new(given)
  schema.check("grid.store.shdict", OPTIONS, given)
  local ngx = rawget(_G, "ngx")
  if not ngx then argument.raise "grid.store.shdict: works inside nginx only; use grid.store.file" end
  local dict = ngx.shared[given.dict]
  if not dict then
    argument.raise("grid.store.shdict: nginx has no dictionary '%s': add 'lua_shared_dict %s 10m;' to its http block",
      given.dict, given.dict)
  end
  return shdict.over(dict, given.dict)
end

function Shdict:get(id)
  contract.check_id("store:get", id)
  local bucket, err = self.pages:bucket_of(id)
  if not bucket then return nil, err end
  return self.pages:read(bucket, id)
end

-- Replaces the record of an id by `record`, whose blob has been stored. -> rev | nil,
-- "conflict" | nil, error
local function put_record(self, bucket, id, expected_rev, record)
  local done, err = self.pages:change(bucket, record.token, function(records, version)
    local old = records[id]
    if rev_of(old) ~= expected_rev then return nil, "conflict" end
    record.version = ("%.0f"):format(version)
    records[id] = record
    return old and old.token or false
  end)
  if done then return rev_of(record) end
  self.pages:delete_blob(record.token)
  return nil, err
end

-- Is there room for a blob in place of `old`, the record of an id? The intent of a
-- refresh makes a record longer, and must leave room for the answer, which makes it
-- shorter again: else neither can be stored.
local function has_room(self, old, blob)
  if not old then return self.pages:has_room(RESERVED) end
  return self.pages:has_room(RESERVED_TO_SHRINK) or #blob <= self.pages:size_of(old)
end

function Shdict:put(id, expected_rev, blob, due_at)
  contract.check_put("store:put", id, expected_rev, blob, due_at)
  local bucket, err = self.pages:bucket_of(id)
  if not bucket then return nil, err end
  local page
  page, err = self.pages:current(bucket)
  if not page then return nil, err end
  local old = page.records[id]
  if rev_of(old) ~= expected_rev then return nil, "conflict" end
  if not has_room(self, old, blob) then return nil, self.pages:full() end
  local token, added
  token, err = self.pages:new_token()
  if not token then return nil, err end
  added, err = self.pages:add_blob(token, blob)
  if not added then return nil, err end
  return put_record(self, bucket, id, expected_rev, { token = token, due = due_at and contract.microseconds(due_at) })
end

function Shdict:remove(id, rev)
  contract.check_id("store:remove", id)
  contract.check_rev("store:remove", rev)
  local bucket, err = self.pages:bucket_of(id)
  if not bucket then return nil, err end
  local token
  token, err = self.pages:new_token()
  if not token then return nil, err end
  return self.pages:change(bucket, token, function(records)
    local old = records[id]
    if rev_of(old) ~= rev then return nil, "conflict" end
    records[id] = nil
    return old.token
  end)
end

-- The records of a bucket that are due, appended to `found`. A page without due records
-- is not read again before its next time. -> true | nil, error
local function scan_due(self, bucket, now, found)
  local scan = self.scanned[bucket]
  if scan and now < scan.next_due and self.pages:is_current(bucket, scan) then return true end
  local page, err = self.pages:current(bucket)
  if not page then return nil, err end
  local next_due = math.huge
  for id, record in pairs(page.records) do
    local due = tonumber(record.due or math.huge)
    next_due = math.min(next_due, due)
    if due <= now then found[#found + 1] = { id = id, due = due } end
  end
  self.scanned[bucket] = { version = page.version, number = page.number, next_due = next_due }
  return true
end

function Shdict:due(now, limit)
  contract.check_due("store:due", now, limit)
  local found, ids = {}, {}
  local now_us = tonumber(contract.microseconds(now))
  for bucket = 0, self.pages.buckets - 1 do
    local ok, err = scan_due(self, bucket, now_us, found)
    if not ok then return nil, err end
  end
  table.sort(found, function(a, b) return a.due < b.due end)
  for i = 1, math.min(limit, #found) do ids[i] = found[i].id end
  return ids
end

function Shdict:list(limit, after)
  contract.check_list("store:list", limit, after)
  local ids = {}
  for bucket = 0, self.pages.buckets - 1 do
    local page, err = self.pages:current(bucket)
    if not page then return nil, err end
    for id in pairs(page.records) do ids[#ids + 1] = id end
  end
  return contract.page(ids, limit, after)
end

function Shdict:__tostring()
  return ("grid.store.shdict: %s"):format(self.pages.name)
end

function Shdict:durability()
  return "in the memory of this nginx: the records outlive a reload with this size of the dictionary, and end with nginx"
end

return shdict
