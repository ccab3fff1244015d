-- One refresh: executes the effects of grid.keeper.protocol, and records the outcome.
-- `run` returns when the flight has ended.
-- A flight has: id; want, see protocol.decide, with known_rev, the rev of the
-- record in memory, and ends_if_changed: the flight ends with the outcome "changed" if
-- the store has another record; waits_until, on CLOCK_BOOTTIME: until then it waits for a
-- refresh elsewhere; can_persist: it may wait without limit for a store that takes no
-- answer; keeps: how often the store has not taken the answer; last_keeps: the same since
-- the keeper has begun to end.
-- When it has ended: outcome, seconds, err, events; has_put: its last put has succeeded.
-- Owns: an answer that the store does not take, in keeper.pending, until it is saved.
-- Does not know: waiters, callers.

local access = require "grid.keeper.access"
local clock = require "grid.keeper.clock"
local core = require "grid.core"
local errors = require "grid.errors"
local failure = require "grid.keeper.failure"
local hosts = require "grid.host"
local memory = require "grid.keeper.memory"
local merge = require "grid.keeper.merge"
local observation = require "grid.keeper.observation"
local protocol = require "grid.keeper.protocol"
local random = require "grid.random"
local sending = require "grid.keeper.sending"
local spool = require "grid.keeper.spool"
local waiting = require "grid.keeper.waiting"

local runner = {}

-- Pending answer -> last state of its flight. It is not in the answer itself, which a
-- dump of the keeper shows.
local states = setmetatable({}, { __mode = "k" })

local function emit(flight, name, fields)
  fields = fields or {}
  fields.name, fields.id = name, flight.id
  flight.events[#flight.events + 1] = fields
end

local function collector_of(flight)
  return function(_, event) flight.events[#flight.events + 1] = event end
end

-- The part of a new intent that the exchange makes. -> true | nil: sets flight.err
local function prepare_grant(keeper, flight, record, env)
  if not keeper.exchange.grant then return true end
  local ok, grant, opener = pcall(keeper.exchange.grant, record.tokens)
  if ok and type(grant) == "table" then
    env.grant, env.opener = grant, opener
    return true
  end
  flight.err = ok and errors.is_error(opener) and opener
    or failure.of_answer { kind = "refused", code = "no_grant", message = "the exchange gave no grant" }
end

local perform = {}

-- A flight begins with the record in memory, if that shows no other refresh. If the
-- record was changed since, the put of the intent conflicts, and the flight reads the
-- record.
local function recall(keeper, flight)
  local rev = flight.want.known_rev
  local record = rev ~= nil and not flight.has_read and access.recall(keeper, flight.id, rev)
  if record and record.state == "live" and not record.intent and not record.backoff then return record, rev end
end

-- No event: the record in memory is not that of the store, or that is unknown.
function perform.read(keeper, flight, state, _, env)
  local record, rev = recall(keeper, flight)
  flight.is_recalled = record ~= nil
  if not record then
    if flight.want.ends_if_changed and not flight.has_read then return nil end
    record, rev = access.read(keeper, flight.id)
  end
  flight.has_read = true
  if not record and rev then
    flight.err = rev
    return { name = "read", is_error = true }
  end
  local is_new = state.step == "look" and record and record.state == "live" and not record.intent
  if is_new and not prepare_grant(keeper, flight, record, env) then return { name = "read", is_error = true } end
  flight.skew = record and record.skew
  return { name = "read", record = record, rev = rev, facts = observation.of(keeper, record, flight.me, false) }
end

local MOST_CONFLICTS = 16 -- of one flight; a store with more of them does not work

-- Before an intent is taken over, an answer to it in the spool is committed. While the
-- store does not take that, the request must not be sent again. -> event | nil: there is
-- no such answer
local function commit_spooled(keeper, flight)
  local count, err = spool.commit(keeper, flight.id, collector_of(flight))
  if count > 0 then return { name = "put", result = "conflict" } end
  if not err then return nil end
  flight.err = err
  return { name = "put", result = "error" }
end

function perform.put(keeper, flight, state, effect)
  local event = state.step == "put" and effect.record.intent.attempt > 1 and commit_spooled(keeper, flight)
  if event then return event end
  local result, rev, err = access.put(keeper, effect.record, effect.rev, effect.due_at, state.step == "put")
  local is_recalled = flight.is_recalled
  flight.is_recalled = false
  if result == "conflict" and is_recalled and flight.want.ends_if_changed then return nil end
  if result == "conflict" then
    flight.conflicts = (flight.conflicts or 0) + 1
    if flight.conflicts > MOST_CONFLICTS then result, err = "error", failure.conflict(flight.id) end
  end
  flight.err, flight.has_put = err or flight.err, result == "ok"
  return { name = "put", result = result, rev = rev, is_volatile = err ~= nil and err.code == "not_durable" }
end

function perform.send(keeper, flight, _, effect)
  flight.sent_at = clock.boot()
  if effect.intent.doubt then emit(flight, "replayed", { generation = effect.intent.parent }) end
  local event, err = sending.attempt(keeper, effect, flight.skew or 0)
  flight.err = err
  return event
end

function perform.read_raws(keeper, _, _, effect)
  return sending.read_raws(keeper, effect.raws)
end

local SHORTEST_POLL, LONGEST_POLL = 0.02, 0.25 -- seconds
local JUDGE_AFTER = 0.5

-- Waits while another process refreshes, until the record changes, or until the owner
-- must be judged again, since that process may end. No event: waits_until has passed.
function perform.wait(keeper, flight, state, effect)
  local now = clock.boot()
  local until_time, pause = now + math.min(effect.seconds or JUDGE_AFTER, JUDGE_AFTER), SHORTEST_POLL
  while now < until_time do
    if now >= flight.waits_until or keeper.closed then return nil end
    waiting.sleep(keeper.host, math.min(pause, until_time - now, flight.waits_until - now))
    pause = math.min(2 * pause, LONGEST_POLL)
    local record, rev = access.read(keeper, flight.id, state.rev)
    if record ~= "same" and (record or not rev) then break end
    now = clock.boot()
  end
  return { name = "again" }
end

-- The next flight for the id continues with the answer, if this one does not complete.
local function set_pending(keeper, flight, state, name)
  local pending = { spooled = name }
  keeper.pending[flight.id], states[pending] = pending, state
end

local SHORTEST_KEEP, LONGEST_KEEP = 0.1, 5 -- seconds
-- Of a keeper that was closed, or of a process that ends: how often a flight waits, or at
-- least after that end has begun.
local MOST_KEEPS, LAST_KEEPS = 8, 3

-- Seconds until the answer is put again.
local function pause_of(flight)
  local is_last = flight.last_keeps > 0 and flight.keeps > MOST_KEEPS
  local keeps = is_last and flight.last_keeps or flight.keeps
  return math.min(SHORTEST_KEEP * 2 ^ math.min(keeps - 1, 10), LONGEST_KEEP)
end

local function may_wait_for_store(flight, pause)
  local may_persist = flight.last_keeps <= LAST_KEEPS or flight.keeps <= MOST_KEEPS
  return flight.can_persist and may_persist or clock.boot() + pause <= flight.waits_until
end

-- The kind of an answer in the spool.
local function kind_of(state)
  if state.raw then return "raw" end
  return state.is_rotated and "tokens" or "unrotated"
end

-- The record for the spool: the answer of the flight may be a spare in the one that was
-- to be put.
local function record_of_answer(state)
  return merge.derive(state.record, state.raw and { raws = { state.raw } } or state.entry)
end

-- The store takes no answer: the answer is written to the spool, or put again after a
-- pause, as long as the flight may wait. No event: the flight ends, and the next one for
-- the id continues with keeper.pending.
function perform.keep(keeper, flight, state)
  local is_ending = keeper.closed or hosts.is_ending(keeper.host)
  flight.keeps, flight.last_keeps = flight.keeps + 1, is_ending and flight.last_keeps + 1 or 0
  local pause = pause_of(flight)
  local name = flight.spooled or keeper.spool and spool.save(keeper, record_of_answer(state), kind_of(state))
  if name or not may_wait_for_store(flight, pause) then
    set_pending(keeper, flight, state, name)
    if name and not flight.spooled then emit(flight, "spooled", { generation = state.record.gen }) end
    if name and not state.raw then memory.adopt_spooled(keeper, state.record, flight) end
    return nil
  end
  waiting.sleep(keeper.host, pause)
  return { name = "again" }
end

-- ---- The end --------------------------------------------------------------------------

local function is_live(record)
  return record ~= nil and record.state ~= "removed"
end

local conclude = {}

function conclude.refreshed(keeper, flight, effect)
  local seconds = flight.sent_at and clock.boot() - flight.sent_at
  emit(flight, "refreshed", { generation = effect.record.gen, seconds = seconds })
  memory.adopt_after(keeper, effect.record, effect.rev, flight.edits)
end

function conclude.adopt(keeper, flight, effect)
  if not is_live(effect.record) then return end
  emit(flight, "adopted", { generation = effect.record.gen })
  memory.adopt_after(keeper, effect.record, effect.rev, flight.edits)
end

local function take_over(keeper, flight, effect)
  if is_live(effect.record) then memory.adopt_after(keeper, effect.record, effect.rev, flight.edits) end
end

conclude.serve, conclude.back_off = take_over, take_over

-- If the record has an owner, it has died.
function conclude.hold(keeper, flight, effect)
  memory.adopt_after(keeper, effect.record, effect.rev, flight.edits, true)
end

function conclude.dead(keeper, flight, effect)
  local record = effect.record
  if flight.sent_at then
    emit(flight, "dead", { generation = record.gen, kind = "auth", code = record.dead.code })
  end
  flight.err = flight.err or failure.dead(flight.id, record.dead)
  memory.adopt_after(keeper, record, effect.rev, flight.edits)
end

function conclude.failed(keeper, flight, effect)
  local problem = effect.failure
  flight.err = flight.err or failure.of_answer(problem)
  emit(flight, "failed", { kind = flight.err.kind, code = flight.err.code })
  if effect.record and effect.rev then memory.adopt_after(keeper, effect.record, effect.rev, flight.edits) end
  if flight.err.kind == "store" then memory.pause(keeper, flight.id) end
end

function conclude.missing(keeper, flight, effect)
  memory.clear(keeper, flight.id, effect.record, effect.rev)
end

function conclude.forget(keeper, flight, effect)
  access.remove(keeper, flight.id, effect.rev)
  memory.forget(keeper, flight.id)
end

-- The answer belongs to a session that was removed or replaced meanwhile, and is given
-- to no caller. Without an entry it brought no new refresh token: the one that was sent
-- may be that of the session in its place, or of one with another id, and stays valid.
function conclude.dropped(keeper, flight, effect)
  emit(flight, "dropped", {})
  if effect.entry then sending.revoke(keeper, effect.entry.tokens, effect.entry.skew) end
end

local function note_held(keeper, flight, was_held)
  local entry = keeper.entries[flight.id]
  if not entry then return end
  if entry.is_held and not was_held then emit(flight, "suspended", { generation = entry.gen }) end
  if was_held and not entry.is_held and entry.session then emit(flight, "resumed", { generation = entry.gen }) end
end

-- The answer with which the flight continued is in the store, or obsolete: a later one
-- of the same flight is not in the spool.
local function settle(keeper, flight)
  keeper.pending[flight.id] = nil
  if flight.spooled then spool.remove(keeper, flight.spooled) end
  flight.spooled = nil
end

local function finish(keeper, flight, effect)
  local entry = keeper.entries[flight.id]
  local was_held = entry ~= nil and entry.is_held
  flight.outcome, flight.seconds = effect.outcome, effect.seconds
  conclude[effect.outcome](keeper, flight, effect)
  note_held(keeper, flight, was_held)
  settle(keeper, flight)
  local record = effect.record
  flight.code = record and record.backoff and record.backoff.code
  if effect.outcome == "failed" and record and record.backoff then
    flight.seconds = math.max(0, merge.backoff_left(record, keeper:env()))
    flight.replays_immediately = record.backoff.seconds == 0 -- no pause, and not one that is over already
  end
end

-- `random` of protocol.next. Each value is made when a step reads it: most steps need
-- none.
local lazy_random = setmetatable({}, {
  __index = function(_, name) return name == "unit" and random.unit() or core.uuid() end,
})

-- Begins, or continues with an answer that the store has not taken yet.
local function begin(keeper, flight)
  local pending = keeper.pending[flight.id]
  if not keeper.has_opened_spool then spool.commit(keeper, nil, collector_of(flight)) end
  if not pending then return protocol.begin(flight.want, keeper.watches[flight.id]) end
  flight.spooled = pending.spooled
  return protocol.resume(states[pending])
end

-- The outcome of a flight that ends because an effect returned no event.
local UNFINISHED = { keep = "kept", wait = "elsewhere", read = "changed", put = "changed" }

local function run_once(keeper, flight)
  local state, effect = begin(keeper, flight)
  local env = { me = flight.me, clock = false, exchange = keeper.rules, grant = {}, opener = nil, random = lazy_random }
  while effect.act ~= "done" do
    local event = perform[effect.act](keeper, flight, state, effect, env)
    if flight.pid ~= core.pid() then -- the process has forked, and the flight continues in the parent
      flight.outcome = "elsewhere"
      return
    end
    if not event then
      flight.outcome = UNFINISHED[effect.act]
      return
    end
    env.clock = clock.read()
    state, effect = protocol.next(state, event, env)
    memory.note_watch(keeper, flight.id, state.watch)
    if state.step == "save" then set_pending(keeper, flight, state, flight.spooled) end
    if state.step == "look" then settle(keeper, flight) end
  end
  finish(keeper, flight, effect)
end

--- Runs a flight; after a failure that allows an immediate replay, a second time.
function runner.run(keeper, flight)
  flight.events, flight.me = {}, clock.identity(keeper.instance)
  flight.edits, flight.entry_before = keeper.census.edits, keeper.entries[flight.id]
  run_once(keeper, flight)
  if flight.outcome == "failed" and flight.replays_immediately then run_once(keeper, flight) end
end

return runner
