-- The sessions that a keeper has in memory.
-- Owns: the entries, one for each id, and how many there are; until when an entry serves
-- without any work.
-- Does not know: the steps of a flight.

local access = require "grid.keeper.access"
local clock = require "grid.keeper.clock"
local failure = require "grid.keeper.failure"
local intents = require "grid.keeper.intent"
local merge = require "grid.keeper.merge"
local protocol = require "grid.keeper.protocol"
local sessions = require "grid.keeper.session"
local timing = require "grid.keeper.timing"
local waiting = require "grid.keeper.waiting"

local memory = {}

-- Computes until when the entry serves a reader immediately.
local function arm(keeper, entry)
  if entry.dead or entry.is_refused or keeper.closed then
    entry.quiet_until = 0
    return
  end
  local due = math.max(entry.born + entry.schedule.advisory, entry.paused_until)
  entry.quiet_until = math.min(entry.checked + keeper.recheck, due, entry.born + entry.life)
end

memory.arm = arm

local KEPT_FOR = 3600 -- seconds after the end of a session, or since a watch began

-- Adds an entry. Those whose sessions have ended long ago are dropped now and then, since
-- programs use a session for some time, and keepers exist for months.
local function add_entry(keeper, entry, now)
  local is_new = not keeper.entries[entry.id]
  keeper.entries[entry.id] = entry
  if not is_new then return end
  keeper.census.entries:added(keeper.entries, function(id, other)
    local is_outdated = now > other.born + other.life + KEPT_FOR and not keeper.flights[id] and not keeper.pending[id]
    if is_outdated then memory.forget(keeper, id) end
    return is_outdated
  end)
end

--- Notes since when the rev of a record is seen: `watch` of protocol.watch. Watches of
--- sessions without an entry, which another process was seen to refresh, are dropped like
--- entries.
function memory.note_watch(keeper, id, watch)
  local is_new = watch and not keeper.watches[id]
  keeper.watches[id] = watch
  if not is_new then return end
  local now = clock.boot()
  keeper.census.watches:added(keeper.watches, function(other_id, other)
    local is_outdated = now > other.since + KEPT_FOR and not keeper.entries[other_id]
    if is_outdated then keeper.watches[other_id] = nil end
    return is_outdated
  end)
end

-- An entry has
--   session                snapshot; nil: dead
--   id, lineage, gen, rev  of the record
--   born, life, schedule   CLOCK_BOOTTIME of its beginning, and ages
--   obtained               stamp of its beginning, if that is of another clock
--   checked                CLOCK_BOOTTIME of the last comparison with the store
--   paused_until           no attempt before that, on CLOCK_BOOTTIME
--   is_held                an attempt had an unknown outcome, and is not repeated yet
--   is_refused             a service has refused the session: refresh at the next get
--   dead                   of a dead record
--   has_raws               the record has answers that could not be read
--   quiet_until            until then `get` returns the session immediately
local function new_entry(record, env)
  local age, is_exact = timing.since(record.obtained, env.clock, env.me)
  return {
    id = record.id, lineage = record.lineage, gen = record.gen,
    session = record.state == "live" and sessions.new(record) or nil,
    born = env.clock.boot - age, life = record.life, schedule = timing.schedule(record.id, record.gen, record.life),
    obtained = not is_exact and record.obtained or nil,
    checked = 0, paused_until = 0, is_held = false, is_refused = false, quiet_until = 0,
  }
end

-- A session of another machine or boot is aged by the wall clock, which may be set: after
-- a boot, say, once the time of the network is known.
local function age_again(entry, env)
  entry.born = env.clock.boot - timing.since(entry.obtained, env.clock, env.me)
end

-- Updates the fields that may change within a generation.
local function update(entry, record, rev, env, is_orphaned)
  if entry.obtained then age_again(entry, env) end
  entry.rev, entry.checked = rev, env.clock.boot
  entry.dead, entry.has_raws = record.dead, record.raws ~= nil
  if record.state == "dead" then entry.session = nil end
  entry.is_held = record.state == "live" and intents.is_held(record.intent, env, is_orphaned)
  local held_until = entry.is_held and entry.born + entry.life or 0
  local pause = merge.backoff_left(record, env)
  entry.paused_until = math.max(held_until, pause > 0 and env.clock.boot + pause or 0)
end

local function is_same(entry, record)
  return entry.lineage == record.lineage and entry.gen == record.gen and (entry.session ~= nil) == (record.state == "live")
end

--- The state of a session for a caller.
---@return "fresh"|"advisory"|"mandatory"|"expired"
function memory.state(entry, now, min_ttl)
  return timing.state(entry.schedule, now - entry.born, min_ttl)
end

-- A store shows an older generation after a backup was restored, or while an answer is in
-- the spool only. The entry counts as long as its session is valid.
local function is_older(entry, record, now)
  return entry.lineage == record.lineage and record.gen < entry.gen and memory.state(entry, now) ~= "expired"
end

-- Adopts a record that is live or dead. -> the entry
local function adopt(keeper, record, rev, is_orphaned)
  local env = keeper:env()
  local entry = keeper.entries[record.id]
  if entry and is_older(entry, record, env.clock.boot) then
    entry.checked = env.clock.boot
    arm(keeper, entry)
    return entry
  end
  if not entry or not is_same(entry, record) then
    entry = new_entry(record, env)
    add_entry(keeper, entry, env.clock.boot)
  end
  update(entry, record, rev, env, is_orphaned)
  arm(keeper, entry)
  return entry
end

local STORE_PAUSE = 1 -- seconds

--- Pauses the refreshes that readers of a valid session begin, after the store has taken
--- no intent: else each reader would begin one.
function memory.pause(keeper, id)
  local entry = keeper.entries[id]
  if not entry then return end
  entry.paused_until = math.max(entry.paused_until, clock.boot() + STORE_PAUSE)
  arm(keeper, entry)
end

--- Counts an edit: a session was added or removed, so records that were read before may
--- be outdated.
function memory.note_edit(keeper)
  keeper.census.edits = keeper.census.edits + 1
end

-- The next reader compares the entry with the store.
local function doubt(keeper, entry)
  entry.checked = -math.huge
  arm(keeper, entry)
  return entry
end

-- An entry that memory does not keep.
local function passing_entry(keeper, record, rev)
  local env = keeper:env()
  local entry = new_entry(record, env)
  update(entry, record, rev, env)
  return entry
end

--- Adopts the record of a read, or of a flight, that began after `edits` edits. If there
--- were others meanwhile, the session may have been removed since, or replaced by the one
--- that memory has.
---@param is_orphaned boolean? the owner that the record may have is known to have died
function memory.adopt_after(keeper, record, rev, edits, is_orphaned)
  if keeper.census.edits == edits then return adopt(keeper, record, rev, is_orphaned) end
  local entry = keeper.entries[record.id]
  if not entry then return passing_entry(keeper, record, rev) end
  if entry.lineage == record.lineage then entry = adopt(keeper, record, rev, is_orphaned) end
  return doubt(keeper, entry)
end

--- Adopts the record of a session that was added, which was edit number `edits`.
function memory.adopt_added(keeper, record, rev, edits)
  local entry = adopt(keeper, record, rev)
  return keeper.census.edits == edits and entry or doubt(keeper, entry)
end

--- Adopts the record of an answer that is in the spool only. The store does not show
--- whether the session was removed or replaced meanwhile: memory must not. A flight that
--- has sent the request itself has read the record of a session that memory lacked, or
--- had another one of.
function memory.adopt_spooled(keeper, record, flight)
  local entry = keeper.entries[record.id]
  local is_as_before = flight.sent_at and entry == flight.entry_before and (entry or keeper.census.edits == flight.edits)
  if is_as_before or entry and entry.lineage == record.lineage then
    memory.adopt_after(keeper, record, nil, flight.edits)
  end
end

--- Of a keeper that was closed: `get` returns no entry without a check of the keeper.
function memory.close(keeper)
  for _, entry in pairs(keeper.entries) do entry.quiet_until = 0 end
end

function memory.forget(keeper, id)
  if keeper.entries[id] then keeper.census.entries:removed() end
  keeper.entries[id], keeper.watches[id], keeper.refusals[id] = nil, nil, nil
end

--- Forgets a session that the store does not have, and removes its tombstone, if there is
--- one, once no exchange for it can be in flight. The owner may run on another machine:
--- then it counts for how long the tombstone has been seen.
---@param tombstone table?
function memory.clear(keeper, id, tombstone, rev)
  if not tombstone then return memory.forget(keeper, id) end
  local env = keeper:env()
  local watch, same_rev_for = protocol.watch(keeper.watches[id], rev, env.clock)
  memory.forget(keeper, id)
  local facts = {
    is_local = keeper.store.is_local == true, in_flight = keeper.flights[id] ~= nil, same_rev_for = same_rev_for,
  }
  if protocol.decide(tombstone, {}, env, facts) == "forget" then
    access.remove(keeper, id, rev)
  else
    memory.note_watch(keeper, id, watch)
  end
end

-- While the store fails, the session in memory is returned. Where the caller cannot wait,
-- the store may fail for that reason alone: the next caller reads it.
local function unreadable(keeper, entry, now, err)
  if not entry or not entry.session then return nil, err end
  if not waiting.obstacle(keeper.host) then entry.checked = now end
  arm(keeper, entry)
  return entry, err
end

-- Compares an entry, if there is one, with the store. -> record, rev | "same" | nil: none
-- | nil, error
local function compare(keeper, id, entry, must_read)
  if entry and not must_read and access.is_unchanged(keeper, id, entry.rev) then return "same" end
  return access.read(keeper, id, entry and entry.rev)
end

local function confirm(keeper, entry, now)
  if entry.obtained then age_again(entry, keeper:env()) end
  entry.checked = now
  arm(keeper, entry)
  return entry
end

--- The entry of an id, compared with the store if it is due, or if `must_compare`. ->
--- entry [, error of the store] | nil, error
function memory.current(keeper, id, must_compare)
  local entry, now = keeper.entries[id], clock.boot()
  if entry and not must_compare and now < entry.checked + keeper.recheck then return entry end
  local edits = keeper.census.edits
  local record, rev = compare(keeper, id, entry, must_compare)
  local is_failed = not record and rev
  -- Another coroutine has adopted a record, or has removed the session, during the read.
  if (is_failed or record == "same") and keeper.entries[id] ~= entry then return memory.current(keeper, id) end
  if record == "same" then return confirm(keeper, entry, now) end
  if is_failed then return unreadable(keeper, entry, now, rev) end
  if not record or record.state == "removed" then
    memory.clear(keeper, id, record, rev)
    return nil, failure.not_found(id)
  end
  return memory.adopt_after(keeper, record, rev, edits)
end

return memory
