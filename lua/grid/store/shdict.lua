-- A store in a shared dictionary of nginx, for the workers of one nginx.
-- Owns: the layout of the dictionary. Ids are spread over buckets; the state of a bucket
-- is a page, which lists its records. Page V + 1 is added by safe_add: of several workers
-- that replace page V, one can. No key is a lock; a worker may be killed between any two
-- calls of the dictionary.
-- Does not know: what is in a blob.

local argument = require "grid.argument"
local contract = require "grid.store.contract"
local core = require "grid.core"
local errors = require "grid.errors"
local schema = require "grid.schema"

local shdict = {}

local Shdict = { __name = "grid.store.shdict", is_local = true }
Shdict.__index = Shdict

local OPTIONS = { dict = { type = "string", required = true, check = schema.plain } }

-- Keys of the dictionary. A token names a change, and the process that made the change.
--   n<bucket>            the number of changes that are complete: never above the version
--                        of the current page, and never decreasing; never deleted
--   p<bucket>-<version>  a page: deleted once the number is above its version
--   b<token>             a blob
--   o<token>             of a change under way: "1" once another worker has seen its page

local BUCKET_BYTES = 2 ^ 14 -- of the dictionary, for each bucket
local MIN_BUCKETS, MAX_BUCKETS = 16, 2 ^ 12
local ATTEMPTS = 1000 -- each that fails is a success of another worker
local RESERVED = 1 / 16 -- of the dictionary: no record is added to it
local RESERVED_TO_REMOVE = 1 / 64 -- no record is replaced in it
local SWEEP_EVERY = 60 -- seconds

local function number_of_buckets(capacity)
  local count = MIN_BUCKETS
  while count < MAX_BUCKETS and 2 * count * BUCKET_BYTES <= capacity do count = 2 * count end
  return count
end

---@class (exact) grid.ShdictStoreOptions
---@field dict string the name of a `lua_shared_dict` that only stores use

--- A store in a dictionary with the methods of ngx.shared.DICT.
---@param pid? fun(): integer the process id of the worker
function shdict.over(dict, name, pid)
  return setmetatable({
    dict = dict, name = name, pid = pid or core.pid, capacity = dict:capacity(),
    buckets = number_of_buckets(dict:capacity()), scanned = {}, next_sweep = 0,
  }, Shdict)
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

local function failed(code, format, ...)
  return errors.new { kind = "store", code = code, message = format:format(...) }
end

local function full(self)
  return failed("full", "the dictionary '%s' has no room: remove records, or make its lua_shared_dict larger, which begins an "
    .. "empty one", self.name)
end

local function busy(self)
  return failed("busy", "other workers change the dictionary '%s' all the time: try again", self.name)
end

local function damaged(self)
  return failed("damaged", "keys of the dictionary '%s' are missing: only stores may write to it", self.name)
end

-- -> bucket | nil, error
local function bucket_of(self, id)
  local hash, err = errors.core_result(core.hmac_sha256("grid.store.shdict", id))
  if not hash then return nil, err end
  return (hash:byte(1) * 256 + hash:byte(2)) % self.buckets
end

local function number_key(bucket)
  return ("n%d"):format(bucket)
end

local function page_key(bucket, version)
  return ("p%d-%.0f"):format(bucket, version)
end

-- Random, since a process id does not name a worker for all time, and a process may have
-- several Lua VMs: a token that came twice would delete the blob of another record.
-- -> token | nil, error
local function new_token(self)
  local random, err = contract.random_hex(8)
  if not random then return nil, err end
  return ("%d.%s"):format(self.pid(), random)
end

-- A page as text: a line with the token of the change that made it, and that of the blob
-- which the change has superseded; then the records: a line, and the id.

local function encode(page, token)
  local parts = { ("%s %s\n"):format(token, page.superseded or "-") }
  for id, record in pairs(page.records) do
    parts[#parts + 1] = ("%s %s %s %d\n"):format(record.version, record.token, record.due or "-", #id)
    parts[#parts + 1] = id
  end
  return table.concat(parts)
end

local function decode(text, version, number)
  local records = {}
  local token, superseded, start = text:match "^(%S+) (%S+)\n()"
  while start <= #text do
    local record_version, record_token, due, size, id_start = text:match("^(%S+) (%S+) (%S+) (%d+)\n()", start)
    start = id_start + tonumber(size)
    records[text:sub(id_start, start - 1)] = { version = record_version, token = record_token, due = due ~= "-" and due or nil }
  end
  return { version = version, number = number, records = records, token = token, superseded = superseded ~= "-" and superseded }
end

local function rev_of(record)
  return record and record.version .. "-" .. record.token
end

-- The current page of a bucket: the one after which there is none. Pages above the number
-- have not been deleted; if the number has not changed meanwhile, the page was the last.
-- -> page | nil, error
local function current(self, bucket)
  local dict = self.dict
  local number = dict:get(number_key(bucket))
  for _ = 1, ATTEMPTS do
    if not number then return { version = 0, number = 0, records = {} } end
    local version, text = number, dict:get(page_key(bucket, number))
    local later = dict:get(page_key(bucket, version + 1))
    while later do
      version, text = version + 1, later
      later = dict:get(page_key(bucket, version + 1))
    end
    local number_after = dict:get(number_key(bucket))
    if number_after == number then
      if text then return decode(text, version, number) end
      if version > 0 then return nil, damaged(self) end
      return { version = 0, number = 0, records = {} }
    end
    number = number_after
  end
  return nil, busy(self)
end

-- A worker that was slow may have added a page whose version was deleted before: such a
-- page has no effect. The number was above the version then. If that is so now, the page
-- had an effect only if other workers have seen it before they added the next one.
local function has_effect(self, bucket, version, token)
  local number = self.dict:get(number_key(bucket))
  return number and number <= version or self.dict:get("o" .. token) == "1"
end

-- Adds the page after the current one. `edit` changes the records of a page, and returns
-- the token of a blob that the change supersedes, false: none | nil, "conflict".
-- -> version of the new page | nil, "conflict" | nil, error
local function change(self, bucket, token, edit)
  local dict = self.dict
  for _ = 1, ATTEMPTS do
    local page, err = current(self, bucket)
    if not page then return nil, err end
    local before = page.superseded
    page.superseded, err = edit(page.records, page.version + 1)
    if page.superseded == nil then return nil, err end
    if page.token then dict:replace("o" .. page.token, "1") end -- as long: takes no memory
    local version = page.version + 1
    local added, problem = dict:safe_add(page_key(bucket, version), encode(page, token))
    if not added and problem ~= "exists" then return nil, full(self) end
    if added and has_effect(self, bucket, version, token) then
      local number = dict:incr(number_key(bucket), 1)
      if not number then return nil, damaged(self) end
      dict:delete(page_key(bucket, number - 1))
      if before then dict:delete("b" .. before) end -- its worker may have been killed
      if page.superseded then dict:delete("b" .. page.superseded) end
      return version
    end
    if added then dict:delete(page_key(bucket, version)) end
  end
  return nil, busy(self)
end

-- The same, with the keys that a change needs.
local function carry_out(self, bucket, token, edit)
  local dict = self.dict
  local ok, problem = dict:safe_add(number_key(bucket), 0)
  if not ok and problem ~= "exists" then return nil, full(self) end
  if not dict:safe_add("o" .. token, "0") then return nil, full(self) end
  local version, err = change(self, bucket, token, edit)
  dict:delete("o" .. token)
  return version, err
end

-- Deletes what killed workers have left: pages that are not current, and keys of changes
-- without effect. A process that has gone changes no page after it is found gone.
local function sweep(self)
  local pages, keys, is_gone = {}, {}, {}
  for _, key in ipairs(self.dict:get_keys(0)) do
    local bucket, version = key:match "^p(%d+)%-(%d+)$"
    local pid = key:match "^[bo](%d+)%."
    if pid and is_gone[pid] == nil then is_gone[pid] = core.process(tonumber(pid)) == "gone" end
    if bucket then pages[#pages + 1] = { key = key, bucket = tonumber(bucket), version = tonumber(version) } end
    if is_gone[pid] then keys[key] = true end
  end
  local numbers = {}
  for bucket = 0, self.buckets - 1 do -- also those whose first page came after get_keys
    local page, err = current(self, bucket)
    if not page then return nil, err end
    for _, record in pairs(page.records) do keys["b" .. record.token] = nil end
    numbers[bucket] = page.number
  end
  for _, found in ipairs(pages) do
    if found.version < numbers[found.bucket] then self.dict:delete(found.key) end
  end
  for key in pairs(keys) do self.dict:delete(key) end
end

-- Is more than that share of the dictionary free?
local function has_room(self, share)
  if self.dict:free_space() > share * self.capacity then return true end
  if os.time() < self.next_sweep then return false end
  self.next_sweep = os.time() + SWEEP_EVERY
  sweep(self)
  return self.dict:free_space() > share * self.capacity
end

function Shdict:get(id)
  contract.check_id("store:get", id)
  local bucket, err = bucket_of(self, id)
  if not bucket then return nil, err end
  local seen
  for _ = 1, ATTEMPTS do
    local page
    page, err = current(self, bucket)
    if not page then return nil, err end
    local record = page.records[id]
    if not record then return nil end
    local blob = self.dict:get("b" .. record.token)
    if blob then return blob, rev_of(record) end
    if seen == rev_of(record) then return nil, damaged(self) end
    seen = rev_of(record)
  end
  return nil, busy(self)
end

function Shdict:put(id, expected_rev, blob, due_at)
  contract.check_put("store:put", id, expected_rev, blob, due_at)
  local bucket, err = bucket_of(self, id)
  if not bucket then return nil, err end
  local page
  page, err = current(self, bucket)
  if not page then return nil, err end
  if rev_of(page.records[id]) ~= expected_rev then return nil, "conflict" end
  if not has_room(self, expected_rev and RESERVED_TO_REMOVE or RESERVED) then return nil, full(self) end
  local record = { due = due_at and contract.microseconds(due_at) }
  record.token, err = new_token(self)
  if not record.token then return nil, err end
  if not self.dict:safe_add("b" .. record.token, blob) then return nil, full(self) end
  local version
  version, err = carry_out(self, bucket, record.token, function(records, next_version)
    local old = records[id]
    if rev_of(old) ~= expected_rev then return nil, "conflict" end
    record.version = ("%.0f"):format(next_version)
    records[id] = record
    return old and old.token or false
  end)
  if version then return rev_of(record) end
  self.dict:delete("b" .. record.token)
  return nil, err
end

function Shdict:remove(id, rev)
  contract.check_id("store:remove", id)
  contract.check_rev("store:remove", rev)
  local bucket, err = bucket_of(self, id)
  if not bucket then return nil, err end
  local token, version
  token, err = new_token(self)
  if not token then return nil, err end
  version, err = carry_out(self, bucket, token, function(records)
    local old = records[id]
    if rev_of(old) ~= rev then return nil, "conflict" end
    records[id] = nil
    return old.token
  end)
  if not version then return nil, err end
  return true
end

-- Has no page been added to the bucket since that scan?
local function is_unchanged(self, bucket, scan)
  return self.dict:get(number_key(bucket)) == scan.number
    and self.dict:get(page_key(bucket, scan.version + 1)) == nil
end

-- The records of a bucket that are due, appended to `found`. A page without due records
-- is not read again before its next time. -> true | nil, error
local function scan_due(self, bucket, now, found)
  local scan = self.scanned[bucket]
  if scan and now < scan.next_due and is_unchanged(self, bucket, scan) then return true end
  local page, err = current(self, bucket)
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
  for bucket = 0, self.buckets - 1 do
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
  for bucket = 0, self.buckets - 1 do
    local page, err = current(self, bucket)
    if not page then return nil, err end
    for id in pairs(page.records) do ids[#ids + 1] = id end
  end
  return contract.page(ids, limit, after)
end

function Shdict:__tostring()
  return ("grid.store.shdict: %s"):format(self.name)
end

function Shdict:durability()
  return "in the memory of this nginx: the records outlive a reload with this size of the dictionary, and end with nginx"
end

return shdict
