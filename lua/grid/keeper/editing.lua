-- Adds and removes sessions, for the program.
-- Owns: the compare-and-set until it succeeds.
-- Does not know: refreshes.

local access = require "grid.keeper.access"
local core = require "grid.core"
local errors = require "grid.errors"
local events = require "grid.keeper.events"
local failure = require "grid.keeper.failure"
local flights = require "grid.keeper.flights"
local json = require "grid.json"
local lifecycle = require "grid.keeper.lifecycle"
local lifetime = require "grid.keeper.lifetime"
local memory = require "grid.keeper.memory"
local observation = require "grid.keeper.observation"
local pasted = require "grid.pasted"
local random = require "grid.random"
local records = require "grid.keeper.record"
local sending = require "grid.keeper.sending"
local timing = require "grid.keeper.timing"
local waiting = require "grid.keeper.waiting"

local editing = {}

local MOST_TRIES = 16
local LONGEST_PAUSE = 0.05 -- seconds

-- Tokens of a log-in, for an exchange that does not read them itself.
local function plain_tokens(given)
  if type(given) == "string" then return json.decode(pasted.without_mark(given)) end
  return given
end

-- -> tokens, with their numbers, and their texts alone | nil, the fault
local function read_tokens(keeper, given)
  local read = keeper.exchange.tokens
  local ok, tokens, fault = pcall(read or plain_tokens, given)
  if not ok then return nil, "the exchange failed to read them" end
  if type(tokens) ~= "table" then return nil, read and fault or "a JSON object is expected" end
  if not json.text(tokens.refresh_token) then return nil, "refresh_token is missing" end
  local texts = records.texts(tokens)
  if not texts then return nil, ("more than %d strings"):format(records.MOST_TOKENS) end
  return tokens, texts
end

local function entry_of(keeper, given)
  local tokens, texts = read_tokens(keeper, given)
  if not tokens then
    return nil, errors.new { kind = "request", code = "bad_tokens", message = "the tokens of the log-in: " .. tostring(texts) }
  end
  local env = keeper:env()
  local answer = given
  if type(given) ~= "string" then answer = json.encode(given) or "{}" end
  return {
    tokens = texts, answer = answer, obtained = timing.stamp(env.me, env.clock), skew = 0,
    life = lifetime.of_login(tokens, env.clock.wall),
  }
end

-- After a put of a new session that may have been executed: its record, which another
-- process may have refreshed since | nil
local function has_happened(keeper, record)
  local stored, rev = access.read(keeper, record.id)
  if stored and stored.lineage == record.lineage and stored.state == "live" then return stored, rev end
end

-- Puts a new session. One that the store has, but may lose, is put once more.
-- -> "ok", record, rev | "conflict" | "error", error
local function put_new(keeper, record, rev, is_second_put)
  local result, new_rev, problem = access.put(keeper, record, rev, lifecycle.due_at(record, keeper:env()))
  if result == "ok" or result == "conflict" and not is_second_put then return result, record, new_rev end
  if result == "error" and is_second_put then return "error", problem end
  local stored, stored_rev = has_happened(keeper, record)
  if not stored then return "error", problem or failure.conflict(record.id) end
  if problem and problem.code == "not_durable" then return put_new(keeper, stored, stored_rev, true) end
  return "ok", stored, stored_rev
end

-- After a removal that may have been executed.
local function is_removed(keeper, id)
  local stored, err = access.read(keeper, id)
  if not stored then return err == nil end
  return stored.state == "removed"
end

-- Calls `try(record, rev)` with the record in the store, until the result is no
-- "conflict".
local function change(keeper, id, try)
  for _ = 1, MOST_TRIES do
    local record, rev = access.read(keeper, id)
    if not record and rev then return nil, rev end
    local result, value = try(record, rev)
    if result ~= "conflict" then return result, value end
    waiting.sleep(keeper.host, LONGEST_PAUSE * random.unit())
  end
  return nil, failure.conflict(id)
end

--- Adds a session.
---@return grid.Session?, grid.Error?
function editing.add(keeper, id, given, is_replaced)
  local entry, err = entry_of(keeper, given)
  if not entry then return nil, err end
  local lineage = core.uuid()
  local result, value = change(keeper, id, function(current, rev)
    local edits = keeper.census.edits
    local record = lifecycle.add(current, id, entry, lineage, is_replaced)
    if not record then return nil, failure.exists(id) end
    local outcome, value, new_rev = put_new(keeper, record, rev)
    if outcome == "conflict" then return "conflict" end
    if outcome == "error" then return nil, value end
    memory.note_edit(keeper)
    return memory.adopt_added(keeper, value, new_rev, edits + 1)
  end)
  if not result then return nil, value end
  events.emit(keeper, { name = "added", id = id, generation = result.gen })
  return result.session
end

local function remove_once(keeper, id, current, rev)
  local env = keeper:env()
  local facts = observation.of(keeper, current, env.me, flights.current(keeper, id) ~= nil)
  local act, tombstone = "missing", nil
  if current then act, tombstone = lifecycle.remove(current, env, facts) end
  if act == "missing" then
    if current then memory.clear(keeper, id, current, rev) end
    return nil, failure.not_found(id)
  end
  local result, err
  if act == "put" then
    local _
    result, _, err = access.put(keeper, tombstone, rev, lifecycle.due_at(tombstone, env))
  else
    result, err = access.remove(keeper, id, rev)
  end
  if result == "error" and not is_removed(keeper, id) then return nil, err end
  return result == "conflict" and "conflict" or current
end

--- Removes a session. With `is_revoked`, its refresh token is revoked afterwards where
--- the exchange can.
---@return true?, grid.Error?
function editing.remove(keeper, id, is_revoked)
  local record, err = change(keeper, id, function(current, rev) return remove_once(keeper, id, current, rev) end)
  if not record then return nil, err end
  memory.note_edit(keeper)
  memory.forget(keeper, id)
  events.emit(keeper, { name = "removed", id = id, generation = record.gen })
  if not is_revoked then return true end
  local ok, problem = sending.revoke(keeper, record.tokens, record.skew)
  if not ok then return nil, failure.not_revoked(id, problem) end
  return true
end

return editing
