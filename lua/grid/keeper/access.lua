-- The records of a keeper in its store.
-- Owns: the conversion of records by codec and seal, and of what a store raises to an
-- error.
-- Does not know: the reason of a change.

local disk = require "grid.keeper.disk"
local failure = require "grid.keeper.failure"
local records = require "grid.keeper.record"
local waiting = require "grid.keeper.waiting"

local access = {}

-- The records that were read or written last, each with its rev, and decoded, or its blob
-- only: a record whose rev has not changed is not read, and not decoded, again. No
-- function changes a record. They are not in the keeper itself, which a dump shows, but
-- by its table of entries.
local remembered = setmetatable({}, { __mode = "k" })
local MOST_REMEMBERED = 1000 -- of a keeper; each of them takes about 2 KB
-- Bytes. A record with answers that could not be read may have megabytes.
local LARGEST_REMEMBERED = 32 * 1024

local function forget(keeper, id)
  local known = remembered[keeper.entries]
  if not known or not known.by_id[id] then return end
  known.count, known.by_id[id] = known.count - 1, nil
end

-- Without `record`, the blob is decoded when it is needed.
local function remember(keeper, id, rev, blob, record)
  if #blob > LARGEST_REMEMBERED then return forget(keeper, id) end
  local known = remembered[keeper.entries]
  if not known or known.count >= MOST_REMEMBERED then known = { count = 0, by_id = {} } end
  remembered[keeper.entries] = known
  known.count = known.count + (known.by_id[id] and 0 or 1)
  known.by_id[id] = { rev = rev, record = record, blob = not record and blob or nil }
end

local function last_of(keeper, id, rev)
  local known = remembered[keeper.entries]
  local last = known and known.by_id[id]
  return last and rev ~= nil and last.rev == rev and last or nil
end

--- The record of an id with that rev, if it is one of those read or written last | nil
function access.recall(keeper, id, rev)
  local last = last_of(keeper, id, rev)
  if not last then return nil end
  if last.blob then last.record, last.blob = records.unpack(last.blob, id, keeper.seal_keys()), nil end
  return last.record
end

-- The error of a read that has failed. Where the caller cannot wait, the store may have
-- failed for that reason alone: in log_by_lua of nginx, say, no client has a socket.
local function read_failure(keeper, problem)
  local err = failure.of_store(problem)
  return waiting.obstacle(keeper.host, err) or err
end

--- The record of an id and its rev | nil: none | nil, error. "same": the rev is still
--- `known_rev`
---@return table|"same"|nil record, any rev_or_error
function access.read(keeper, id, known_rev)
  local store = keeper.store
  local ok, blob, rev = pcall(store.get, store, id)
  if not ok or not blob then forget(keeper, id) end -- the next read must not be spared
  if not ok then return nil, read_failure(keeper, blob) end
  if not blob then return nil, rev and read_failure(keeper, rev) or nil end
  if type(blob) ~= "string" then return nil, failure.of_store("get returned a " .. type(blob)) end
  if known_rev ~= nil and rev == known_rev then
    if not last_of(keeper, id, rev) then remember(keeper, id, rev, blob) end
    return "same", rev
  end
  local last = access.recall(keeper, id, rev)
  if last then return last, rev end
  local record, err = records.unpack(blob, id, keeper.seal_keys())
  if not record then return nil, err end
  remember(keeper, id, rev, blob, record)
  return record, rev
end

--- Is that still the rev of the record? False: unknown, since not every store can compare
--- without reading the record.
function access.is_unchanged(keeper, id, rev)
  local store = keeper.store
  if rev == nil or not store.is_unchanged then return false end
  local ok, is_unchanged = pcall(store.is_unchanged, store, id, rev)
  return ok and is_unchanged == true
end

local function pack(keeper, record)
  local ok, blob, err = pcall(records.pack, record, keeper.seal_keys())
  if not ok then return nil, failure.of_store(blob) end
  return blob, err
end

-- store:put, on a thread of the core where the store can and the host can wait for that.
-- -> as store:put; raises what the store raises
local function store_put(keeper, store, ...)
  local replace_if = store.put_by and disk.replace_if(keeper)
  if replace_if then return store:put_by(replace_if, ...) end
  return store:put(...)
end

local function store_remove(keeper, store, ...)
  local remove_if = store.remove_by and disk.remove_if(keeper)
  if remove_if then return store:remove_by(remove_if, ...) end
  return store:remove(...)
end

--- Puts a blob into a store of the keeper: the one of the sessions, or the spool.
---@return "ok"|"conflict"|"error" result, any rev, grid.Error?
function access.put_blob(keeper, store, id, expected_rev, blob, due_at, leaves_reserve)
  local ok, rev, problem = pcall(store_put, keeper, store, id, expected_rev, blob, due_at, leaves_reserve)
  if not ok then return "error", nil, failure.of_store(rev) end
  if rev then return "ok", rev end
  if problem == "conflict" then return "conflict" end
  return "error", nil, failure.of_store(problem)
end

--- Replaces the record with that rev. After an error the record may have been replaced.
---@param leaves_reserve boolean? see grid.store.file; other stores ignore it
---@return "ok"|"conflict"|"error" result, any rev, grid.Error?
function access.put(keeper, record, expected_rev, due_at, leaves_reserve)
  local blob, err = pack(keeper, record)
  if not blob then return "error", nil, err end
  local store = keeper.store
  local result, rev, problem =
    access.put_blob(keeper, store, record.id, expected_rev, blob, due_at, leaves_reserve and store.leaves_reserve or nil)
  if result == "ok" then remember(keeper, record.id, rev, blob, record) end
  return result, rev, problem
end

---@return "ok"|"conflict"|"error" result, grid.Error?
function access.remove(keeper, id, rev)
  forget(keeper, id)
  return access.remove_blob(keeper, keeper.store, id, rev)
end

---@return "ok"|"conflict"|"error" result, grid.Error?
function access.remove_blob(keeper, store, id, rev)
  local ok, done, problem = pcall(store_remove, keeper, store, id, rev)
  if not ok then return "error", failure.of_store(done) end
  if done then return "ok" end
  if problem == "conflict" then return "conflict" end
  return "error", failure.of_store(problem)
end

--- Ids by a method of the store. -> ids | nil, error
function access.ids(keeper, method, ...)
  local store = keeper.store
  local ok, ids, problem = pcall(store[method], store, ...)
  if not ok then return nil, read_failure(keeper, ids) end
  if not ids then return nil, read_failure(keeper, problem) end
  if type(ids) ~= "table" then return nil, failure.of_store(("%s returned a %s"):format(method, type(ids))) end
  for _, id in ipairs(ids) do
    if type(id) ~= "string" then return nil, failure.of_store(("%s returned an id that is a %s"):format(method, type(id))) end
  end
  return ids
end

function access.durability(keeper)
  local store = keeper.store
  local ok, text = pcall(store.durability, store)
  return ok and type(text) == "string" and text or "unknown"
end

return access
