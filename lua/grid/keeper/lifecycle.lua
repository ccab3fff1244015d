-- Makes the record of a new session and the tombstone of a removed one, and computes when
-- a record is due. Pure.
-- Owns: lineage at `add`, the tombstone at `remove`, `due_at`.
-- Does not know: stores, exchanges, and how a session is refreshed.

local intents = require "grid.keeper.intent"
local merge = require "grid.keeper.merge"
local owner = require "grid.keeper.owner"
local stores = require "grid.store.contract"
local timing = require "grid.keeper.timing"

local lifecycle = {}

--- The record of a new session, to replace `current`, which the store has. A removed
--- record may be replaced, and with `is_replaced` each record; its generations continue.
---@param entry table tokens, answer, life, obtained, skew
---@param lineage string random: distinguishes answers of this session from those of another
---@return table? record, "exists"?
function lifecycle.add(current, id, entry, lineage, is_replaced)
  if current and current.state ~= "removed" and not is_replaced then return nil, "exists" end
  return {
    id = id, lineage = lineage, state = "live",
    gen = current and current.gen + 1 or 1, writes = current and current.writes + 1 or 1,
    tokens = entry.tokens, answer = entry.answer, life = entry.life, obtained = entry.obtained, skew = entry.skew,
  }
end

--- How to remove a record: "remove" from the store immediately, or "put" a tombstone,
--- when an exchange is in flight and its owner's deadline has not passed.
---@return "remove"|"put"|"missing" act, table? tombstone
function lifecycle.remove(current, env, facts)
  if not current or current.state == "removed" then return "missing" end
  local intent = current.intent
  if not intent or not intent.open or owner.judge(intent.owner, env.me, env.clock, facts) == "orphaned" then return "remove" end
  return "put", {
    id = current.id, lineage = current.lineage, state = "removed", gen = current.gen, writes = current.writes + 1,
    owner = intent.owner,
  }
end

-- Seconds until a live record needs a refresh, or a decision about its intent.
local function due_in(record, env)
  local intent = record.intent
  if intent and intent.open then return owner.time_left(intent.owner, env.me, env.clock, {}) end
  local age = timing.since(record.obtained, env.clock, env.me)
  if not intent then return timing.schedule(record.id, record.gen, record.life).advisory - age end
  local rule = intents.replay(intent, env, {}, false)
  return math.max(rule == "hold" and record.life - age or 0, merge.backoff_left(record, env))
end

--- When refresh_due must handle the record, in seconds since 1970: of a dead one never.
--- Computed by the process that writes the record.
---@return number
function lifecycle.due_at(record, env)
  if record.state == "dead" then return stores.LATEST end
  if record.state == "removed" then
    return env.clock.wall + math.max(0, owner.time_left(record.owner, env.me, env.clock, {}))
  end
  return env.clock.wall + math.max(0, due_in(record, env))
end

return lifecycle
