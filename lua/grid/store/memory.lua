-- A store in a table, for tests: its records end with the process.
-- Owns: the records.
-- Does not know: what is in a blob.

local contract = require "grid.store.contract"
local schema = require "grid.schema"

local memory = {}

local Memory = { __name = "grid.store.memory", is_local = true }
Memory.__index = Memory

--- A store without records.
---@param given? {} there are no options
---@return grid.Store
function memory.new(given)
  if given ~= nil then schema.check("grid.store.memory", {}, given) end
  return setmetatable({ records = {}, last_rev = 0 }, Memory)
end

function Memory:get(id)
  contract.check_id("store:get", id)
  local record = self.records[id]
  if record then return record.blob, record.rev end
end

local function rev_of(record)
  return record and record.rev
end

function Memory:put(id, expected_rev, blob, due_at)
  contract.check_put("store:put", id, expected_rev, blob, due_at)
  if rev_of(self.records[id]) ~= expected_rev then return nil, "conflict" end
  self.last_rev = self.last_rev + 1
  local rev = ("%d"):format(self.last_rev)
  self.records[id] = { blob = blob, rev = rev, due_at = due_at }
  return rev
end

function Memory:remove(id, rev)
  contract.check_id("store:remove", id)
  contract.check_rev("store:remove", rev)
  if rev_of(self.records[id]) ~= rev then return nil, "conflict" end
  self.records[id] = nil
  return true
end

function Memory:due(now, limit)
  contract.check_due("store:due", now, limit)
  local ids = {}
  for id, record in pairs(self.records) do
    if record.due_at and record.due_at <= now then ids[#ids + 1] = id end
  end
  table.sort(ids, function(a, b) return self.records[a].due_at < self.records[b].due_at end)
  for i = #ids, limit + 1, -1 do ids[i] = nil end
  return ids
end

function Memory:list(limit, after)
  contract.check_list("store:list", limit, after)
  local ids = {}
  for id in pairs(self.records) do ids[#ids + 1] = id end
  return contract.page(ids, limit, after)
end

function Memory:durability()
  return "none: the records end with the process"
end

return memory
