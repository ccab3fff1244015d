-- Merges an answer into a record: commit, late commit, raw answer, rejection, failure.
-- Pure: each function takes the record that the store has now, and returns a new one.
-- Owns: the rules of lineage and generation; the merging of tokens. A commit is never
-- refused because another owner has taken the intent over: the late answer may hold the
-- only valid token. Two different answers to one parent generation are siblings: that of
-- the later attempt is used, the other one is kept as a spare.
-- Does not know: stores, clocks, when a request is sent. The fields are in record.lua.

local intents = require "grid.keeper.intent"
local timing = require "grid.keeper.timing"

local merge = {}

--- A copy of the record with these changes, for the next write. `false` clears a field.
function merge.derive(record, changes)
  local copy = {}
  for name, value in pairs(record) do copy[name] = value end
  for name, value in pairs(changes) do copy[name] = value or nil end
  copy.writes = record.writes + 1
  return copy
end

-- Fields that an answer may leave out, since they did not change (RFC 6749 section 6).
local KEPT = { "refresh_token", "scope", "dpop_key" }

--- The tokens of an answer, with those that the answer leaves out.
function merge.tokens(old, new, grant)
  local merged = {}
  for name, value in pairs(new) do merged[name] = value end
  for _, name in ipairs(KEPT) do
    if merged[name] == nil or merged[name] == "" then merged[name] = grant[name] or old[name] end
  end
  return merged
end

--- May an answer of that lineage be written to the record?
function merge.takes(record, lineage)
  return record ~= nil and record.state ~= "removed" and record.lineage == lineage
end

local ENTRY = { "tokens", "answer", "life", "obtained", "skew", "from" }

--- The entry of a record: its tokens, and what belongs to them.
function merge.entry_of(record)
  local entry = {}
  for _, name in ipairs(ENTRY) do entry[name] = record[name] end
  return entry
end

local function is_same_answer(a, b)
  local token = a.tokens.refresh_token
  return a.answer == b.answer or token ~= nil and token == b.tokens.refresh_token
end

local function contains(entries, entry)
  for _, other in ipairs(entries or {}) do
    if is_same_answer(other, entry) then return true end
  end
  return false
end

local function appended(list, value)
  local copy = {}
  for i, item in ipairs(list or {}) do copy[i] = item end
  copy[#copy + 1] = value
  return copy
end

-- Keeps the raw answers of later attempts: a later version or key may read them.
local function later_raws(record, from)
  local kept = {}
  for _, raw in ipairs(record.raws or {}) do
    local is_later = raw.parent > from.parent or raw.parent == from.parent and raw.attempt > from.attempt
    if is_later then kept[#kept + 1] = raw end
  end
  return #kept > 0 and kept or nil
end

-- The record of the next generation, with all that stays of the one before.
local function advance(record, entry, spares)
  return {
    id = record.id, lineage = record.lineage, state = "live",
    gen = math.max(record.gen, entry.from.parent) + 1, writes = record.writes + 1,
    tokens = entry.tokens, answer = entry.answer, life = entry.life, obtained = entry.obtained,
    skew = entry.skew, from = entry.from, spares = spares, raws = later_raws(record, entry.from),
  }
end

-- Commits to a record whose generation is newer than the parent of the answer.
local function commit_late(record, entry)
  if is_same_answer(record, entry) or contains(record.spares, entry) then return "adopt" end
  if record.state == "dead" then return "put", advance(record, entry, record.spares) end
  local from = record.from
  if not from or from.parent ~= entry.from.parent then return "adopt" end
  if entry.from.attempt > from.attempt and not record.intent then
    return "put", advance(record, entry, appended(record.spares, merge.entry_of(record)))
  end
  return "put", merge.derive(record, { spares = appended(record.spares, entry) })
end

--- Commits an answer. "adopt": the record holds it, or a newer one. "drop": it belongs to
--- another lineage, or to a removed record.
---@return "put"|"adopt"|"drop" act, table? record
function merge.commit(record, lineage, entry)
  if not merge.takes(record, lineage) then return "drop" end
  if record.gen > entry.from.parent then return commit_late(record, entry) end
  return "put", advance(record, entry)
end

local function backoff(record, failure, env, seconds)
  local failures = (record.backoff and record.backoff.failures or 0) + 1
  return {
    failures = failures, code = failure.code,
    seconds = seconds or timing.backoff(failures, failure.retry_after, env.random.unit),
    since = timing.stamp(env.me, env.clock),
  }
end

-- After the first unknown outcome the request is replayed immediately, while the server
-- still repeats its answer or accepts the old token.
local function is_replayed_at_once(intent, failure, env)
  return failure.kind == "unknown" and failure.status ~= 409 and not intent.doubt and env.exchange.reuse ~= "strict"
end

--- The record after a failed attempt: its intent is released, and the next attempt waits.
function merge.fail(record, failure, env)
  local intent = record.intent
  return merge.derive(record, {
    intent = intents.release(intent, failure),
    backoff = backoff(record, failure, env, is_replayed_at_once(intent, failure, env) and 0 or nil),
  })
end

--- Seconds until the next attempt. A wall clock that was set back ends the wait.
function merge.backoff_left(record, env)
  local wait = record.backoff
  if not wait then return 0 end
  local elapsed, is_exact = timing.since(wait.since, env.clock, env.me)
  if not is_exact and env.clock.wall < wait.since.wall then return 0 end
  return wait.seconds - elapsed
end

-- A later generation was accepted since: no raw answer to that parent holds the valid
-- token.
local function is_obsolete(record, raw)
  if record.gen <= raw.parent or record.state == "dead" then return false end
  return not record.from or record.from.parent ~= raw.parent
end

local function has_raw(record, raw)
  for _, other in ipairs(record.raws or {}) do
    if other.answer == raw.answer then return true end
  end
  return false
end

-- A proxy that answers each attempt with another page must not fill the store: of many
-- raw answers the first ones and the last ones are kept.
local MOST_RAWS, FIRST_RAWS = 8, 4

local function with_raw(raws, raw)
  local kept = appended(raws, raw)
  if #kept > MOST_RAWS then table.remove(kept, FIRST_RAWS + 1) end
  return kept
end

--- Saves an answer that cannot be read or opened, once. The intent with that write_id,
--- which is that of the attempt, is released.
---@return "put"|"adopt"|"drop" act, table? record
function merge.keep_raw(record, lineage, raw, write_id, failure, env)
  if not merge.takes(record, lineage) then return "drop" end
  if is_obsolete(record, raw) then return "adopt" end
  local is_new, intent = not has_raw(record, raw), record.intent
  local is_held = intent ~= nil and intent.open and intent.write_id == write_id
  if not is_new and not is_held then return "adopt" end
  local kept = is_held and merge.fail(record, failure, env) or merge.derive(record, {})
  if is_new then kept.raws = with_raw(record.raws, raw) end
  return "put", kept
end

--- The record after the server rejected the refresh token, for a put on the rev of the
--- attempt: a rejection must not overwrite a newer record. A spare replaces the rejected
--- tokens; without a spare the session is dead, and the record is kept.
function merge.reject(record, failure)
  local spares = record.spares
  if spares then
    local rest = {}
    for i = 1, #spares - 1 do rest[i] = spares[i] end
    return advance(record, spares[#spares], #rest > 0 and rest or nil)
  end
  return merge.derive(record, {
    state = "dead", dead = { code = failure.code, after_unknown = record.intent.doubt },
    intent = false, backoff = false,
  })
end

return merge
