-- The spool: answers that the store could not take, in a folder on this host, until a
-- keeper that opens the folder commits them.
-- Owns: the form of an entry: its kind, the id, and the record that was to be put, as the
-- codec and the seal write it; its name, which identifies the store of its session. The
-- folder is a store of files.
-- Kinds: "raw", an answer that cannot be read; "tokens"; "unrotated", tokens without a
-- new refresh token.
-- Does not know: flights, and when an answer is written there.

local access = require "grid.keeper.access"
local core = require "grid.core"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local files = require "grid.store.file"
local memory = require "grid.keeper.memory"
local merge = require "grid.keeper.merge"
local lifecycle = require "grid.keeper.lifecycle"
local random = require "grid.random"
local records = require "grid.keeper.record"
local sending = require "grid.keeper.sending"

local spool = {}

local PAGE = 1000 -- names of entries
local MOST_TRIES = 16
local UNREADABLE = { kind = "unknown", code = "unreadable" }

--- Reads and writes nothing yet.
---@param directory string
function spool.open(directory)
  return files.new { directory = directory }
end

--- Is the spool the folder of this store, whose sessions would be mixed with entries?
function spool.is_store(opened, store)
  return getmetatable(store) == getmetatable(opened) and opened:shares_folder(store)
end

local NAME_SIZE = 32

local function hash(text)
  return assert(core.hmac_sha256("grid keeper spool", text))
end

local function named(value)
  local metatable = getmetatable(value)
  if type(metatable) == "table" and metatable.__tostring then return tostring(value) end
  return type(value.name) == "string" and value.name or ""
end

-- Names exchange and store, the same in each process, as far as these have names.
local function place_of(keeper)
  return hash(named(keeper.exchange) .. "\n" .. named(keeper.store))
end

-- One name for each answer, since two processes may each have got one, and the place.
local function name_of(keeper, record, kind)
  local answer = kind == "raw" and record.raws[#record.raws].answer or record.answer
  return hash(("%d:%s%s%s"):format(#record.id, record.id, record.lineage, answer)) .. place_of(keeper)
end

--- Saves the record that the store does not take. -> the name of the entry | nil: the
--- spool does not take the record either
function spool.save(keeper, record, kind)
  local ok, name = pcall(name_of, keeper, record, kind)
  local blob = ok and records.pack(record, keeper.seal_keys())
  if not blob then return nil end
  local text = ("%s %d:%s%s"):format(kind, #record.id, record.id, blob)
  -- An entry of that name has that answer, but after an error the spool may lose it.
  local entry, rev = keeper.spool:get(name)
  local result = access.put_blob(keeper, keeper.spool, name, entry and rev, text)
  return result == "ok" and name or nil
end

--- Removes an entry whose answer is in the store now, or is dropped. One that cannot be
--- removed is not committed again.
function spool.remove(keeper, name)
  local _, rev = keeper.spool:get(name)
  local result = rev and access.remove_blob(keeper, keeper.spool, name, rev)
  keeper.committed[name] = result == "error" or nil
end

-- -> id, kind, blob | nothing
local function parse(text)
  local kind, size, start = text:match "^(%l+) (%d+):()"
  if not kind then return end
  local last = start + tonumber(size) - 1
  return text:sub(start, last), kind, text:sub(last + 1)
end

local function merged(keeper, current, record, kind)
  local env = keeper:env()
  env.random = { unit = random.unit() }
  if kind == "raw" then
    local write_id = record.intent and record.intent.write_id
    return merge.keep_raw(current, record.lineage, record.raws[#record.raws], write_id, UNREADABLE, env)
  end
  return merge.commit(current, record.lineage, merge.entry_of(record))
end

-- The session was removed or replaced. When the server does not answer a revocation, the
-- further entries of that kind stay for the next pass, since a caller may be waiting.
local function drop(keeper, record, kind, pass)
  pass.tell(keeper, { name = "dropped", id = record.id })
  if kind ~= "tokens" then return end
  local _, err = sending.revoke(keeper, record.tokens, record.skew)
  pass.may_drop = not err or err.status ~= nil
end

-- Has the store any session? The file system of one without any may not be mounted yet,
-- and then shows no removal.
local function has_sessions(keeper)
  local ids = access.ids(keeper, "list", 1)
  return ids ~= nil and #ids > 0
end

-- Puts an answer into the record as the store has it. A record that has the answer is put
-- once more: after an error of the put before, the store may lose it. Where the folder is
-- that of several stores, only its lineage shows that an answer is for this one: else it
-- stays. -> is the answer there, or dropped? | nil, error of the store
local function commit_record(keeper, record, kind, may_drop, pass)
  for _ = 1, MOST_TRIES do
    local edits = keeper.census.edits
    local current, rev = access.read(keeper, record.id)
    if not current and rev then return nil, rev end
    local act, new = merged(keeper, current, record, kind)
    if act == "drop" then
      local is_dropped = may_drop and (current ~= nil or has_sessions(keeper))
      if is_dropped then drop(keeper, record, kind, pass) end
      return is_dropped
    end
    new = new or merge.derive(current, {})
    local result, new_rev, problem = access.put(keeper, new, rev, lifecycle.due_at(new, keeper:env()))
    if result == "ok" then
      memory.adopt_after(keeper, new, new_rev, edits)
      if act == "put" then pass.tell(keeper, { name = "adopted", id = record.id, generation = new.gen }) end
      return true
    end
    if result == "error" then return nil, problem end
  end
  return nil, failure.conflict(record.id)
end

-- An entry that cannot be opened stays. -> was an answer committed?
local function commit_entry(keeper, name, only_id, pass)
  if keeper.committed[name] then
    spool.remove(keeper, name)
    return false
  end
  local text = keeper.spool:get(name)
  local id, kind, blob = parse(text or "")
  if not id or only_id and id ~= only_id then return false end
  local record = records.unpack(blob, id, keeper.seal_keys())
  local may_drop = pass.may_drop and (#name == NAME_SIZE or name:sub(NAME_SIZE + 1) == place_of(keeper))
  if not record then return false end
  local is_done, problem = commit_record(keeper, record, kind, may_drop, pass)
  pass.problem = pass.problem or problem
  if is_done then spool.remove(keeper, name) end
  return is_done
end

-- Reports once why the spool, or an entry in it, cannot be used.
local function report(keeper, err, tell)
  local before = keeper.spool_fault
  keeper.spool_fault = err
  if err and not (before and before.code == err.code) then
    tell(keeper, { name = "failed", kind = err.kind, code = "spool_" .. err.code })
  end
end

--- Commits the answers in the spool, or those of one id. `tell(keeper, event)`: of a
--- flight, which must not call a handler before it is over. -> how many, error of the
--- store that has not taken another one | nil
function spool.commit(keeper, only_id, tell)
  if not keeper.spool then return 0 end
  keeper.has_opened_spool = true
  local pass = { tell = tell or events.emit, may_drop = true }
  local _, err = keeper.spool:prepare() -- creates the folder before an answer needs it
  local count, after = 0, nil
  repeat
    local names, problem = keeper.spool:list_readable(PAGE, after)
    err = err or problem
    for _, name in ipairs(names) do
      local ok, is_done = pcall(commit_entry, keeper, name, only_id, pass)
      if ok and is_done then count = count + 1 end
    end
    after = names[PAGE]
  until not after
  report(keeper, err, pass.tell)
  return count, pass.problem
end

return spool
