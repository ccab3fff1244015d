-- A store in a folder, for the programs of one machine: one file for each record.
-- Owns: the names and the form of the files. A file is named by a hash of its record's
-- id; its modification time is `due_at`, so that `due` opens only files of due records.
-- Does not know: the state of the folder, which is in file_folder.lua; how a file is
-- replaced, which is in grid.core; what is in a blob.

local contract = require "grid.store.contract"
local core = require "grid.core"
local errors = require "grid.errors"
local folders = require "grid.store.file_folder"
local schema = require "grid.schema"
local sweeps = require "grid.sweep"

local file = {}

-- leaves_reserve: see File:put
local File = { __name = "grid.store.file", is_local = true, leaves_reserve = true }
File.__index = File

local OPTIONS = { directory = { type = "string", required = true, check = schema.plain } }

local MAX_BLOB = 2 ^ 24 -- bytes
local MAX_FILE = MAX_BLOB + 1024
local TRUSTED_AFTER = 2 -- seconds: the resolution of the coarsest clock of a file system

local SWEEP_EVERY = 60  -- seconds

---@class (exact) grid.FileStoreOptions
---@field directory string created by the first write; refused if other users may write to it

--- A store in that folder. The first write creates the folder.
---@param given grid.FileStoreOptions
---@return grid.Store
function file.new(given)
  schema.check("grid.store.file", OPTIONS, given)
  return setmetatable({
    folder = folders.new(given.directory), next_sweep = 0,
    ids = {}, quiet = {}, names = {}, name_count = 0, stamps = {}, stamp_count = sweeps.new(),
  }, File)
end

-- The form of a file: two lines, the id, a line feed, and the blob. A compare-and-set
-- compares the first line.

local function first_line(rev)
  return "grid-store 1 " .. rev .. "\n"
end

local function compose(id, rev, blob, due)
  return first_line(rev) .. (due or "-") .. (" %d %d\n"):format(#id, #blob) .. id .. "\n" .. blob
end

-- -> id, rev, blob, due | no value: the file is not a whole record
local function parse(text)
  local rev, due, id_size, blob_size, start = text:match "^grid%-store 1 (%d+%-%x+)\n(%S+) (%d+) (%d+)\n()"
  if not rev then return end
  local last = start + tonumber(id_size) - 1
  if text:byte(last + 1) ~= 10 or #text ~= last + 1 + tonumber(blob_size) then return end
  return text:sub(start, last), rev, text:sub(last + 2), tonumber(due)
end

-- A rev ends with random bytes, so that revs do not repeat when a record is removed and
-- added again, or when an older copy of the file is restored.
local function next_rev(count)
  local random, err = contract.random_hex(16)
  if not random then return nil, err end
  return ("%d-"):format(count + 1) .. random
end

local MAX_DIGITS = 15

-- The number at the beginning of a rev | nil: no rev of this store
local function count_of(rev)
  local digits = #rev <= 64 and rev:match "^(%d+)%-%x+$"
  return digits and #digits <= MAX_DIGITS and tonumber(digits) or nil
end

local MOST_NAMES = 1000
local STAMP_KEPT_FOR = 3600 -- seconds since it was read

-- The file's name | nil, error. The last names are remembered.
local function name_of(self, id)
  local name = self.names[id]
  if name then return name end
  local hash, err = errors.core_result(core.hmac_sha256("grid.store.file", id))
  if not hash then return nil, err end
  if self.name_count >= MOST_NAMES then self.names, self.name_count = {}, 0 end
  name = core.hex(hash)
  self.names[id], self.name_count = name, self.name_count + 1
  return name
end

local function is_name(name)
  return #name == 64 and not name:find "[^%da-f]"
end

local function path_of(self, name)
  return self.folder:path(name:sub(1, 2) .. "/" .. name)
end

--- Are the files of both stores in the same folder?
function File:shares_folder(other) return self.folder:is_same(other.folder) end

--- Creates the folder, as the first put does. -> true | nil, error
function File:prepare() return self.folder:prepare() end

-- -> id, rev, blob, due of a file | nil: there is no file | nil, error
---@param expected_id string? the id whose name that is, as far as it is known
local function read(self, name, expected_id)
  local path = path_of(self, name)
  local text, kind, code, message = core.file_read(path, MAX_FILE)
  if not text then
    if code == "not_found" then return nil end
    return nil, errors.from_core(kind, code, message)
  end
  local id, rev, blob, due = parse(text)
  if id and (id == expected_id or name_of(self, id) == name) then return id, rev, blob, due end
  return nil, errors.new {
    kind = "store", code = "record_corrupt",
    message = path .. " is not a whole record, or is that of another id: restore the file from a backup, or remove it",
  }
end

function File:get(id)
  contract.check_id("store:get", id)
  local exists, err = self.folder:exists()
  if not exists then return nil, err end
  local name
  name, err = name_of(self, id)
  if not name then return nil, err end
  local found, rev, blob = read(self, name, id)
  if not found then return nil, rev or self.folder:loss() end
  self.folder:note_use()
  local seen = self.stamps[id]
  if seen and not seen.rev then seen.rev = rev end
  return blob, rev
end

-- Stamps that is_unchanged has not read for some time are dropped now and then.
local function note_stamp(self, id, stamp, now)
  self.stamps[id] = { stamp = stamp, read_at = now }
  self.stamp_count:added(self.stamps, function(other_id, seen)
    local is_outdated = now > seen.read_at + STAMP_KEPT_FOR
    if is_outdated then self.stamps[other_id] = nil end
    return is_outdated
  end)
end

--- Would `get` return that rev? Reads the file's stamp only. False: that is not known,
--- and the next `get` notes it. A change within the same tick of the file system's clock
--- as the one before would not be seen, so that only an older file is trusted.
function File:is_unchanged(id, rev)
  contract.check_id("store:is_unchanged", id)
  local name = name_of(self, id)
  local stamp, changed = core.file_stamp(name and path_of(self, name) or "")
  local seen, now = self.stamps[id], core.now()
  if stamp and seen and seen.stamp == stamp then
    seen.read_at = now
    return seen.rev == rev
  end
  local is_trusted = stamp and changed + TRUSTED_AFTER < os.time()
  if seen then
    self.stamps[id] = nil
    self.stamp_count:removed()
  end
  if is_trusted then note_stamp(self, id, stamp, now) end
  return false
end

-- The result of a compare-and-set: true | nil, "conflict" | nil, error
local function outcome(is_done, kind, code, message)
  if is_done then return true end
  if is_done == false then return nil, "conflict" end
  return nil, errors.from_core(kind, code, message)
end

-- Temporary files of writers that were killed are removed at the first put, and then at
-- intervals.
local function is_sweep_due(self)
  local now = core.now()
  if now < self.next_sweep then return false end
  self.next_sweep = now + SWEEP_EVERY
  return true
end

-- Notes what the end of a put shows of the folder. -> as store:put
local function conclude(self, rev, is_done, problem)
  if is_done then
    self.folder:note_use()
    return rev
  end
  if problem ~= "conflict" then self.folder:note_failure() end
  return nil, self.folder:loss() or problem
end

--- `put` with another function in place of core.file_replace_if, such as one that lets a
--- thread do the work.
function File:put_by(replace_if, id, expected_rev, blob, due_at, leaves_reserve)
  contract.check_put("store:put", id, expected_rev, blob, due_at)
  if #blob > MAX_BLOB then
    return nil, errors.new {
      kind = "store", code = "too_large",
      message = ("the record has %d bytes: a store in a folder takes %d at most"):format(#blob, MAX_BLOB),
    }
  end
  local count = expected_rev and count_of(expected_rev) or not expected_rev and 0
  if not count then return nil, "conflict" end
  local ok, err = self.folder:prepare()
  if not ok then return nil, err end
  local name, rev
  name, err = name_of(self, id)
  if not name then return nil, err end
  rev, err = next_rev(count)
  if not rev then return nil, err end
  local due = due_at and contract.microseconds(due_at)
  local expected, modified_at = expected_rev and first_line(expected_rev), due and due / 1e6 or contract.LATEST
  local text = compose(id, rev, blob, due)
  return conclude(self, rev, outcome(replace_if(path_of(self, name), self.folder:path "tmp",
    expected, text, modified_at, is_sweep_due(self), leaves_reserve and #text or nil)))
end

--- With `leaves_reserve`, the next put of the record succeeds although the disk has
--- become full, unless its blob is longer.
function File:put(id, expected_rev, blob, due_at, leaves_reserve)
  return self:put_by(core.file_replace_if, id, expected_rev, blob, due_at, leaves_reserve)
end

--- `remove` with another function in place of core.file_remove_if.
function File:remove_by(remove_if, id, rev)
  contract.check_id("store:remove", id)
  contract.check_rev("store:remove", rev)
  local exists, err = self.folder:exists()
  if exists == nil then return nil, err end
  if not exists or not count_of(rev) then return nil, "conflict" end
  self.stamps[id] = nil
  local name
  name, err = name_of(self, id)
  if not name then return nil, err end
  return outcome(remove_if(path_of(self, name), first_line(rev)))
end

function File:remove(id, rev)
  return self:remove_by(core.file_remove_if, id, rev)
end

-- Appends the due records of a bucket to `candidates`. A bucket without due records is
-- not read again before its next time, as long as its folder has not changed. A change
-- within the same tick of the file system's clock as this scan would not be seen, so that
-- only an older time of the folder is trusted.
local function scan(self, bucket, now, candidates)
  local path, quiet = self.folder:path(bucket), self.quiet[bucket]
  if quiet and now < quiet.until_time and core.file_time(path) == quiet.folder_time then return true end
  local names, times, next_time, folder_time = core.files_modified(path, now)
  if not names then return nil, errors.from_core(times, next_time, folder_time) end
  for i, name in ipairs(names) do
    if is_name(name) then candidates[#candidates + 1] = { name = name, time = times[i] } end
  end
  local is_quiet = #names == 0 and folder_time + TRUSTED_AFTER < os.time()
  self.quiet[bucket] = is_quiet and { until_time = next_time or math.huge, folder_time = folder_time } or nil
  return true
end

local function by_time(a, b)
  if a.time ~= b.time then return a.time < b.time end
  return a.name < b.name
end

-- As `read`, for one of the files of a folder: a file that is not a whole record is
-- passed over. -> id, due, nil | nil, nil, error | nil: no record
local function read_one_of(self, name)
  local id, problem, _, due = read(self, name)
  if id then return id, due end
  return nil, nil, problem and problem.code ~= "record_corrupt" and problem or nil
end

-- The files whose times are in the past, ordered by them. -> list | nil, error
local function all_candidates(self, now_us)
  local candidates = {}
  for _, bucket in ipairs(folders.BUCKETS) do
    local ok, err = scan(self, bucket, now_us / 1e6 + 1e-6, candidates)
    if not ok then return nil, err end
  end
  table.sort(candidates, by_time)
  return candidates
end

-- A copy of a file may have an earlier time than `due_at`: the text of the file decides.
-- A file that cannot be read is an error as soon as no other record is due.
function File:due(now, limit)
  contract.check_due("store:due", now, limit)
  local exists, err = self.folder:has_records()
  if not exists then return exists == false and {} or nil, err end
  local now_us = tonumber(contract.microseconds(now))
  local candidates
  candidates, err = all_candidates(self, now_us)
  if not candidates then return nil, err end
  local found, ids = {}, {}
  for _, candidate in ipairs(candidates) do
    if #found >= limit then break end
    local id, due, problem = read_one_of(self, candidate.name)
    if id and due and due <= now_us then found[#found + 1] = { name = id, time = due } end
    err = err or problem
  end
  if #found == 0 and err then return nil, err end
  table.sort(found, by_time)
  for i, record in ipairs(found) do ids[i] = record.name end
  return ids
end

-- Appends the ids of a bucket to `ids`, and notes them in `known`. The name of a file
-- never gets another id, so that each file is opened once. -> error of what cannot be
-- read | nil
local function list_bucket(self, bucket, known, ids)
  local names, err = errors.core_result(core.file_names(self.folder:path(bucket)))
  if not names then return err end
  local first_problem
  for _, name in ipairs(names) do
    if is_name(name) then
      local id, _, problem = self.ids[name], nil, nil
      if not id then id, _, problem = read_one_of(self, name) end
      known[name], ids[#ids + 1] = id, id
      first_problem = first_problem or problem
    end
  end
  return first_problem
end

--- `list` that passes over what cannot be read. -> ids, error of the first of these | nil
function File:list_readable(limit, after)
  contract.check_list("store:list", limit, after)
  local exists, err = self.folder:has_records()
  if not exists then return {}, err end
  local known, ids = {}, {}
  for _, bucket in ipairs(folders.BUCKETS) do
    local problem = list_bucket(self, bucket, known, ids)
    err = err or problem
  end
  self.ids = known
  return contract.page(ids, limit, after), err
end

function File:list(limit, after)
  local ids, err = self:list_readable(limit, after)
  if err then return nil, err end
  return ids
end

function File:__tostring()
  return ("grid.store.file: %s"):format(self.folder.directory)
end

function File:durability()
  return "on the disk of this machine"
end

return file
