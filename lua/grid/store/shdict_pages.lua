-- The pages of a shared dictionary of nginx, for grid.store.shdict. Ids are spread over
-- buckets; the state of a bucket is a page, which lists its records. Page V + 1 is added
-- by safe_add: of several workers that replace page V, one can. No key is a lock; a
-- worker may be killed between any two calls of the dictionary.
-- Owns: the keys of the dictionary, the form of a page, and the errors.
-- Does not know: stores, and what is in a blob.

local contract = require "grid.store.contract"
local core = require "grid.core"
local errors = require "grid.errors"

local pages = {}
local Pages = { __index = pages }

-- Keys of the dictionary. A token names a change, and the process that made the change.
--   n<bucket>            the number of changes that are complete: never above the version
--                        of the current page, and never decreasing; never deleted
--   p<bucket>-<version>  a page: deleted once the number is above its version
--   b<token>             a blob
--   o<token>             of an unended change: "1" once another worker has seen its page

local BUCKET_BYTES = 2 ^ 14 -- of the dictionary, for each bucket
local MIN_BUCKETS, MAX_BUCKETS = 16, 2 ^ 12
local ATTEMPTS = 1000 -- each that fails is a success of another worker
local SWEEP_EVERY = 60 -- seconds

local function number_of_buckets(capacity)
  local count = MIN_BUCKETS
  while count < MAX_BUCKETS and 2 * count * BUCKET_BYTES <= capacity do count = 2 * count end
  return count
end

--- The pages of a dictionary with the methods of ngx.shared.DICT.
---@param name string of the dictionary, for errors
---@param pid fun(): integer the process id of the worker
function pages.new(dict, name, pid)
  local capacity = dict:capacity()
  return setmetatable({
    dict = dict, name = name, pid = pid, capacity = capacity, buckets = number_of_buckets(capacity), next_sweep = 0,
  }, Pages)
end

local function failed(code, format, ...)
  return errors.new { kind = "store", code = code, message = format:format(...) }
end

function pages:full()
  return failed("full", "the dictionary '%s' has no room: remove records, or make its lua_shared_dict larger, which begins an "
    .. "empty one", self.name)
end

function pages:busy()
  return failed("busy", "other workers kept changing the dictionary '%s': repeat the call", self.name)
end

function pages:damaged()
  return failed("damaged", "keys of the dictionary '%s' are missing: only stores may write to it", self.name)
end

--- -> bucket | nil, error
function pages:bucket_of(id)
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

--- A token for a change. Random, since a process id does not name a worker for all time,
--- and a process may have several Lua VMs: a repeated token would delete the blob
--- of another record. -> token | nil, error
function pages:new_token()
  local random, err = contract.random_hex(8)
  if not random then return nil, err end
  return ("%d.%s"):format(self.pid(), random)
end

--- The rev of a record of a page | nil: no record
function pages.rev_of(record)
  return record and record.version .. "-" .. record.token
end

-- ---- The form of a page ---------------------------------------------------------------

-- A page as text: a line with the token of the change that made it, and that of the blob
-- which the change has superseded; then the records: a line, and the id.

local function encode(records, token, superseded)
  local parts = { ("%s %s\n"):format(token, superseded or "-") }
  for id, record in pairs(records) do
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

-- ---- The current page -----------------------------------------------------------------

-- The last page at or after that version. -> version, text | version, nil: no page
local function last_page(dict, bucket, version)
  local text, later = dict:get(page_key(bucket, version)), dict:get(page_key(bucket, version + 1))
  while later do
    version, text = version + 1, later
    later = dict:get(page_key(bucket, version + 1))
  end
  return version, text
end

--- The current page of a bucket: the one after which there is none. Pages above the
--- number have not been deleted; if the number has not changed meanwhile, the page was
--- the last. -> { version, number, records by id, token, superseded } | nil, error
function pages:current(bucket)
  local dict = self.dict
  local number = dict:get(number_key(bucket))
  for _ = 1, ATTEMPTS do
    if not number then return { version = 0, number = 0, records = {} } end
    local version, text = last_page(dict, bucket, number)
    local number_after = dict:get(number_key(bucket))
    if number_after == number then
      if text then return decode(text, version, number) end
      if version > 0 then return nil, self:damaged() end
      return { version = 0, number = 0, records = {} }
    end
    number = number_after
  end
  return nil, self:busy()
end

--- Has no page been added to the bucket since `page` was the current one?
function pages:is_current(bucket, page)
  return self.dict:get(number_key(bucket)) == page.number
    and self.dict:get(page_key(bucket, page.version + 1)) == nil
end

--- The record of an id, and its blob. -> blob, rev | nil: no record | nil, error
function pages:read(bucket, id)
  local seen
  for _ = 1, ATTEMPTS do
    local page, err = self:current(bucket)
    if not page then return nil, err end
    local rev = pages.rev_of(page.records[id])
    if not rev then return nil end
    local blob = self.dict:get("b" .. page.records[id].token)
    if blob then return blob, rev end
    if seen == rev then return nil, self:damaged() end
    seen = rev
  end
  return nil, self:busy()
end

--- The length of the blob of a record.
function pages:size_of(record)
  return #(self.dict:get("b" .. record.token) or "")
end

-- ---- Changes --------------------------------------------------------------------------

--- Stores the blob of a change. -> true | nil, error
function pages:add_blob(token, blob)
  if self.dict:safe_add("b" .. token, blob) then return true end
  return nil, self:full()
end

function pages:delete_blob(token)
  self.dict:delete("b" .. token)
end

-- A worker that was slow may have added a page whose version was deleted before: such a
-- page has no effect. The number was above the version then. If that is so now, the page
-- had an effect only if other workers have seen it before they added the next one.
local function has_effect(self, bucket, version, token)
  local number = self.dict:get(number_key(bucket))
  return number and number <= version or self.dict:get("o" .. token) == "1"
end

-- Adds the page of that version. -> true | nil: another worker has added one | nil, error
local function add_page(self, bucket, version, token, text)
  local added, problem = self.dict:safe_add(page_key(bucket, version), text)
  if not added and problem ~= "exists" then return nil, self:full() end
  if added and has_effect(self, bucket, version, token) then return true end
  if added then self.dict:delete(page_key(bucket, version)) end
  return nil
end

-- Completes the change that follows `page`. -> true | nil, error
local function complete(self, bucket, page, superseded)
  local number = self.dict:incr(number_key(bucket), 1)
  if not number then return nil, self:damaged() end
  self.dict:delete(page_key(bucket, number - 1))
  if page.superseded then self:delete_blob(page.superseded) end -- its worker may have been killed
  if superseded then self:delete_blob(superseded) end
  return true
end

local function replace_current(self, bucket, token, edit)
  for _ = 1, ATTEMPTS do
    local page, err = self:current(bucket)
    if not page then return nil, err end
    local superseded, problem = edit(page.records, page.version + 1)
    if superseded == nil then return nil, problem end
    if page.token then self.dict:replace("o" .. page.token, "1") end -- as long: takes no memory
    local added
    added, err = add_page(self, bucket, page.version + 1, token, encode(page.records, token, superseded))
    if added then return complete(self, bucket, page, superseded) end
    if err then return nil, err end
  end
  return nil, self:busy()
end

--- Adds the page after the current one. `edit(records, version)` changes the records of
--- that page, and returns the token of a blob that the change supersedes, false: none |
--- nil, "conflict". -> true | nil, "conflict" | nil, error
function pages:change(bucket, token, edit)
  local dict = self.dict
  local ok, problem = dict:safe_add(number_key(bucket), 0)
  if not ok and problem ~= "exists" then return nil, self:full() end
  if not dict:safe_add("o" .. token, "0") then return nil, self:full() end
  local done, err = replace_current(self, bucket, token, edit)
  dict:delete("o" .. token)
  return done, err
end

-- ---- Room -----------------------------------------------------------------------------

-- The pages of the dictionary, and the keys of changes whose process has ended. A process
-- changes no page after it was found to have ended. -> { key, bucket, version } each,
-- set of keys
local function find_keys(dict)
  local found, keys, is_gone = {}, {}, {}
  for _, key in ipairs(dict:get_keys(0)) do
    local bucket, version = key:match "^p(%d+)%-(%d+)$"
    local pid = key:match "^[bo](%d+)%."
    if pid and is_gone[pid] == nil then is_gone[pid] = core.process(tonumber(pid)) == "gone" end
    if bucket then found[#found + 1] = { key = key, bucket = tonumber(bucket), version = tonumber(version) } end
    if is_gone[pid] then keys[key] = true end
  end
  return found, keys
end

-- Deletes what killed workers have left: pages that are not current, and keys of changes
-- without effect.
local function sweep(self)
  local found, keys = find_keys(self.dict)
  local numbers = {}
  for bucket = 0, self.buckets - 1 do -- also those whose first page was added after get_keys
    local page, err = self:current(bucket)
    if not page then return nil, err end
    for _, record in pairs(page.records) do keys["b" .. record.token] = nil end
    numbers[bucket] = page.number
  end
  for _, page in ipairs(found) do
    if page.version < numbers[page.bucket] then self.dict:delete(page.key) end
  end
  for key in pairs(keys) do self.dict:delete(key) end
end

--- Is more than that share of the dictionary free?
function pages:has_room(share)
  if self.dict:free_space() > share * self.capacity then return true end
  if os.time() < self.next_sweep then return false end
  self.next_sweep = os.time() + SWEEP_EVERY
  sweep(self)
  return self.dict:free_space() > share * self.capacity
end

return pages
