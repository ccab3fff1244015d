-- The protocol of the keeper: one refresh of a session as a state machine. Pure: the
-- caller executes each effect, and passes its result as the next event.
-- Owns: the steps of a refresh, and the order of put, send and save. The intent in the
-- record takes the place of a lock.
-- Does not know: stores, exchanges, hosts, waiters.

local intents = require "grid.keeper.intent"
local lifecycle = require "grid.keeper.lifecycle"
local lifetime = require "grid.keeper.lifetime"
local merge = require "grid.keeper.merge"
local owner = require "grid.keeper.owner"
local timing = require "grid.keeper.timing"

local protocol = {}

-- `protocol.begin` and `protocol.next` return a state, which is a value, and an effect.
-- The function of a step changes a copy of the state.
--
--   effect                                event
--   read                                  read { record, rev, facts } | { is_error }
--   put { record, rev, due_at }           put { result, rev, is_volatile }: "ok",
--                                         "conflict", "error"; the store may lose it
--   send { intent, not_after, deadline }  answer { result, sent, skew }
--   read_raws { raws }                    answer { result, raw }; no result: not readable
--   wait { seconds }, keep                again
--   done { outcome, record, failure }     none: the refresh has ended
--
--   look -read-> put -ok-> send -answer-> save -ok-> done    (commit, raw answer)
--     ^           |error                   |conflict, error
--     |           v                        v
--     |         check                    merge -read-> save  (never fenced)
--     +-conflict-- put, note             note -ok-> done    (failure, "reject": same rev)
--                                         |error
--                                         v
--                                        verify -read-> done
--
-- The caller calls `protocol.may_send` directly before a request is sent, ends the
-- exchange at the deadline (both on CLOCK_BOOTTIME), and reports an answer that is ready
-- before it reports the deadline. The effect `keep` means that the store cannot be
-- written: the caller writes the answer to the spool, or keeps it in memory, and passes
-- `again` when the store may be written again.
-- `env`: me, clock, exchange { reuse, reuse_seconds, timeout }, random { key, write_id,
-- unit }; for a new intent also grant (texts) and opener. `facts`: see owner.lua, and
-- has_read_raws.

local function is_newer(record, known)
  return record.lineage ~= known.lineage or record.gen > known.gen
end

-- What to do about a live record that is not newer than the one in memory.
local function decide_refresh(record, want, env, facts)
  local age = timing.since(record.obtained, env.clock, env.me)
  local state = timing.state(timing.schedule(record.id, record.gen, record.life), age, want.min_ttl)
  if state == "fresh" and not want.is_forced then return "serve" end
  local intent = record.intent
  if intent and intent.open then
    local is_alive, left = owner.judge(intent.owner, env.me, env.clock, facts)
    if is_alive == "alive" then return "wait", left end
  end
  local pause = merge.backoff_left(record, env)
  if pause > 0 then return "back_off", pause end
  if not intent then return "put_intent" end
  local rule, seconds = intents.replay(intent, env, facts, want.is_last_chance or state == "expired")
  if rule == "hold" then return "hold", record.life - age end
  if rule == "wait" then return "wait", seconds end
  return "take_over"
end

--- What to do about the record that the store has. `want`: `known`, the lineage and gen
--- of the session in memory; `min_ttl`; `is_forced`: refresh a fresh session, too;
--- `is_last_chance`: without a refresh the session is lost, so that a replay which the
--- server may refuse costs nothing. "serve": no refresh is due; "hold": the outcome of
--- the last attempt is unknown, serve the session until it ends; "back_off", "wait": read
--- again after that many seconds, for "wait" also when the record changes; "forget": the
--- tombstone may be removed.
---@return string act, number? seconds
function protocol.decide(record, want, env, facts)
  if not record then return "missing" end
  if record.state == "removed" then
    return owner.judge(record.owner, env.me, env.clock, facts) == "orphaned" and "forget" or "missing"
  end
  if want.known and is_newer(record, want.known) then return "adopt" end
  if record.raws and not facts.has_read_raws then return "read_raws" end
  if record.state == "dead" then return "dead" end
  return decide_refresh(record, want, env, facts)
end

--- May a request of the attempt be sent now? Called directly before each one.
function protocol.may_send(not_after, clock)
  return clock.boot < not_after
end

local function read(state, step)
  state.step = step
  return state, { act = "read" }
end

-- Begins again with a read, without the fields of the last attempt.
local function start_over(state)
  return { step = "look", want = state.want, watch = state.watch, has_read_raws = state.has_read_raws }, { act = "read" }
end

local function put(state, step, record, env)
  state.step, state.record = step, record
  return state, { act = "put", record = record, rev = state.rev, due_at = lifecycle.due_at(record, env) }
end

-- Puts the record after the failure of an attempt.
local function note(state, record, failure, env)
  state.failure = failure
  return put(state, "note", record, env)
end

local function done(state, outcome, fields)
  state.step, fields.act, fields.outcome = "done", "done", outcome
  return state, fields
end

local function begin_attempt(state, record, env, is_last_chance)
  state.intent = intents.next(record, env, is_last_chance)
  return put(state, "put", merge.derive(record, { intent = state.intent }), env)
end

local function is_expired(record, env)
  return timing.since(record.obtained, env.clock, env.me) >= record.life
end

local function act_on(state, record, env, facts)
  local want = state.want
  local act, seconds = protocol.decide(record, want, env, facts)
  if act == "put_intent" or act == "take_over" then
    return begin_attempt(state, record, env, want.is_last_chance or is_expired(record, env))
  elseif act == "read_raws" then
    state.step, state.record = "send", record
    return state, { act = "read_raws", raws = record.raws }
  elseif act == "wait" then
    state.step = "look"
    return state, { act = "wait", seconds = seconds }
  end
  return done(state, act, { record = record, seconds = seconds, rev = state.rev })
end

-- Failures of an attempt that sent no request.
protocol.TOO_LATE = { kind = "refused", code = "too_late", message = "the request was not sent: the timeout had passed before" }
local STORE_FAILED = { kind = "store", code = "store_failed" }

--- Seconds for which the caller has seen the same rev. The caller keeps `watch` { rev,
--- since } for each id until the process ends, from one refresh to the next.
function protocol.watch(watch, rev, clock)
  if watch and watch.rev == rev then return watch, clock.boot - watch.since end
  return { rev = rev, since = clock.boot }, 0
end

local on = {}
--- The handlers of the steps: on[step](state, event, env) -> state, effect.
protocol.on = on

function on.look(state, event, env)
  if event.name == "again" then return read(state, "look") end
  if event.is_error then return done(state, "failed", { failure = STORE_FAILED }) end
  local watch, same_rev_for = protocol.watch(state.watch, event.rev, env.clock)
  local facts = {
    is_local = event.facts.is_local, in_flight = event.facts.in_flight, process = event.facts.process,
    same_rev_for = same_rev_for, has_read_raws = state.has_read_raws,
  }
  state.rev, state.watch = event.rev, watch
  return act_on(state, event.record, env, facts)
end

local function send(state, env)
  local not_after = intents.not_after(state.intent, env)
  if not protocol.may_send(not_after, env.clock) then
    return note(state, merge.fail(state.record, protocol.TOO_LATE, env), protocol.TOO_LATE, env)
  end
  local deadline = owner.not_after(state.intent.owner)
  state.step = "send"
  return state, { act = "send", intent = state.intent, not_after = not_after, deadline = deadline }
end

function on.put(state, event, env)
  if event.result == "conflict" then return start_over(state) end
  state.rev, state.is_volatile = event.rev, event.is_volatile
  if event.result == "ok" then return send(state, env) end
  if state.is_second_put then return done(state, "failed", { failure = STORE_FAILED }) end
  return read(state, "check")
end

-- A put that returned an error may have been executed: then the record has its write_id.
-- A record that the store has, but may lose, is put once more, and nothing is sent before
-- it is durable.
function on.check(state, event, env)
  local record = not event.is_error and event.record
  local has_happened = record and record.intent and record.intent.write_id == state.intent.write_id
  if not has_happened then return done(state, "failed", { failure = STORE_FAILED }) end
  state.rev, state.record, state.is_second_put = event.rev, record, state.is_volatile
  if state.is_volatile then return put(state, "put", record, env) end
  return send(state, env)
end

-- The source of an answer: the attempt of this refresh, or a raw answer in the record.
local function origin(state, event)
  local source = event.raw or state.intent
  return source, { parent = source.parent, attempt = source.attempt, key = source.key }
end

-- Has an answer brought another refresh token than the one that was sent?
local function is_rotated(state, event)
  local token = event.result.tokens.refresh_token
  return token ~= nil and token ~= "" and token ~= origin(state, event).grant.refresh_token
end

local function entry_of(state, event, env)
  local source, from = origin(state, event)
  local result, record = event.result, state.record
  local obtained = event.raw and event.raw.obtained or intents.obtained(source, env, event.sent)
  local skew = event.skew or record.skew
  return {
    tokens = merge.tokens(record.tokens, result.tokens, source.grant), answer = result.answer,
    obtained = obtained, skew = skew, from = from,
    life = lifetime.of({
      expires_in = result.expires_in, expires_at = result.expires_at, access_token = result.tokens.access_token,
    }, obtained.wall, skew or 0, record.life),
  }
end

local function raw_of(state, event, env)
  local intent = state.intent
  return {
    answer = event.result.answer, status = event.result.status, headers = event.result.headers,
    parent = intent.parent, attempt = intent.attempt, key = intent.key, opener = intent.opener, grant = intent.grant,
    obtained = intents.obtained(intent, env, event.sent),
  }
end

local UNREADABLE = { kind = "unknown", code = "unreadable" }

-- Merges the answer of the refresh into the record that the store has now.
local function merged(state, record, env)
  if state.raw then
    return merge.keep_raw(record, state.lineage, state.raw, state.intent.write_id, UNREADABLE, env)
  end
  return merge.commit(record, state.lineage, state.entry)
end

-- The raw answers in the record are obsolete: the refresh starts over as if there were
-- none. An attempt of it would have an intent.
local function without_raws(state)
  state.has_read_raws = true
  return start_over(state)
end

local function save(state, record, env)
  local act, new = merged(state, record, env)
  if act == "put" then return put(state, "save", new, env) end
  if act == "drop" then return done(state, "dropped", { entry = state.is_rotated and state.entry or nil, raw = state.raw }) end
  if state.is_volatile then return put(state, "save", record, env) end
  if not state.intent then return without_raws(state) end
  return done(state, "adopt", { record = record, rev = state.rev })
end

-- A refused request may have had the wrong time.
local function with_skew(record, skew)
  if not skew or skew == record.skew then return record end
  local copy = {}
  for name, value in pairs(record) do copy[name] = value end
  copy.skew = skew
  return copy
end

function on.send(state, event, env)
  local result = event.result
  if not result then return without_raws(state) end
  local record = with_skew(state.record, event.skew)
  state.lineage = record.lineage
  if result.kind == "tokens" then
    state.entry, state.is_rotated = entry_of(state, event, env), is_rotated(state, event)
    return save(state, record, env)
  elseif result.kind == "unreadable" then
    state.raw = raw_of(state, event, env)
    return save(state, record, env)
  elseif result.kind == "reject" then
    return note(state, merge.reject(record, result), result, env)
  end
  return note(state, merge.fail(record, result, env), result, env)
end

function on.save(state, event)
  if event.result == "conflict" then return read(state, "merge") end
  if event.result == "error" then
    state.step, state.is_volatile = "merge", state.is_volatile or event.is_volatile
    return state, { act = "keep" }
  end
  local outcome = state.raw and "failed" or "refreshed"
  return done(state, outcome, { record = state.record, rev = event.rev, failure = state.raw and UNREADABLE })
end

function on.merge(state, event, env)
  if event.name == "again" then return read(state, "merge") end
  if event.is_error then return state, { act = "keep" } end
  state.rev = event.rev
  return save(state, event.record, env)
end

-- The failure is in the record. After a rejection a spare may have replaced the tokens:
-- the refresh starts over.
local function noted(state, rev)
  local failure, record = state.failure, state.record
  if failure.kind ~= "reject" then return done(state, "failed", { failure = failure, record = record, rev = rev }) end
  if record.state ~= "dead" then return start_over(state) end
  return done(state, "dead", { failure = failure, record = record, rev = rev })
end

-- After a conflict the record is newer than this failure: the refresh starts over.
function on.note(state, event)
  if event.result == "conflict" then return start_over(state) end
  if event.result == "error" then return read(state, "verify") end
  return noted(state, event.rev)
end

local function is_open(intent)
  return intent ~= nil and intent.open
end

-- The put of a failure that returned an error may have been executed: then the others
-- find the session dead, and only this refresh can tell it.
function on.verify(state, event)
  local record, put_record = not event.is_error and event.record, state.record
  local has_happened = record and record.lineage == put_record.lineage and record.gen == put_record.gen
    and record.writes == put_record.writes and record.state == put_record.state and not is_open(record.intent)
  if has_happened then return noted(state, event.rev) end
  return done(state, "failed", { failure = state.failure, record = put_record })
end

---@param want table see protocol.decide
---@param watch? table field `watch` of the last state for this id
function protocol.begin(want, watch)
  return { step = "look", want = want, watch = watch }, { act = "read" }
end

-- With all fields of a state.
local function copy_of(state)
  return {
    step = state.step, want = state.want, watch = state.watch, has_read_raws = state.has_read_raws,
    rev = state.rev, record = state.record, lineage = state.lineage, intent = state.intent,
    is_volatile = state.is_volatile, is_second_put = state.is_second_put,
    entry = state.entry, is_rotated = state.is_rotated, raw = state.raw, failure = state.failure,
  }
end

--- The first step of a refresh that continues with the last state of another one, which
--- has ended before the store took its answer.
function protocol.resume(state)
  return read(copy_of(state), "merge")
end

--- The next step of a refresh.
---@return table state, table effect
function protocol.next(state, event, env)
  return on[state.step](copy_of(state), event, env)
end

return protocol
