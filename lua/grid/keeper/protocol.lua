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

-- `protocol.begin` and `protocol.next` return a flight, which is a value, and an effect.
-- The function of a step changes a copy of the flight.
--
--   effect                                event
--   read                                  read { record, rev, facts } | { is_error }
--   put { record, rev, due_at }           put { result, rev, is_volatile }: "ok",
--                                         "conflict", "error"; the store may lose it
--   send { intent, not_after, deadline }  answer { result, sent, skew }
--   read_raws { raws }                    answer { result, raw }; no result: not readable
--   wait { seconds }, keep                again
--   done { outcome, record, failure }     none: the flight has ended
--
--   look -read-> put -ok-> send -answer-> save -ok-> done    (commit, raw answer)
--     ^           |error                   |conflict, error
--     |           v                        v
--     |         check                    merge -read-> save  (never fenced)
--     +-conflict-- put, note             note -ok-> done    (failure, "reject": same rev)
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

local function read(flight, step)
  flight.step = step
  return flight, { act = "read" }
end

-- Begins again with a read, without the fields of the last attempt.
local function start_over(flight)
  return { step = "look", want = flight.want, watch = flight.watch, has_read_raws = flight.has_read_raws }, { act = "read" }
end

local function put(flight, step, record, env)
  flight.step, flight.record = step, record
  return flight, { act = "put", record = record, rev = flight.rev, due_at = lifecycle.due_at(record, env) }
end

-- Puts the record after the failure of an attempt.
local function note(flight, record, failure, env)
  flight.failure = failure
  return put(flight, "note", record, env)
end

local function done(flight, outcome, fields)
  flight.step, fields.act, fields.outcome = "done", "done", outcome
  return flight, fields
end

local function begin_attempt(flight, record, env, is_last_chance)
  flight.intent = intents.next(record, env, is_last_chance)
  return put(flight, "put", merge.derive(record, { intent = flight.intent }), env)
end

local function is_expired(record, env)
  return timing.since(record.obtained, env.clock, env.me) >= record.life
end

local function act_on(flight, record, env, facts)
  local want = flight.want
  local act, seconds = protocol.decide(record, want, env, facts)
  if act == "put_intent" or act == "take_over" then
    return begin_attempt(flight, record, env, want.is_last_chance or is_expired(record, env))
  elseif act == "read_raws" then
    flight.step, flight.record = "send", record
    return flight, { act = "read_raws", raws = record.raws }
  elseif act == "wait" then
    flight.step = "look"
    return flight, { act = "wait", seconds = seconds }
  end
  return done(flight, act, { record = record, seconds = seconds, rev = flight.rev })
end

-- Failures of an attempt that sent no request.
local LATE = { kind = "refused", code = "too_late", message = "the request was not sent: the timeout had passed before" }
local STORE_FAILED = { kind = "store", code = "store_failed" }

--- Seconds for which the caller has seen the same rev. The caller keeps `watch` { rev,
--- since } for each id until the process ends, from one flight to the next.
function protocol.watch(watch, rev, clock)
  if watch and watch.rev == rev then return watch, clock.boot - watch.since end
  return { rev = rev, since = clock.boot }, 0
end

local on = {}
--- The handlers of the steps: on[step](flight, event, env) -> flight, effect.
protocol.on = on

function on.look(flight, event, env)
  if event.name == "again" then return read(flight, "look") end
  if event.is_error then return done(flight, "failed", { failure = STORE_FAILED }) end
  local watch, same_rev_for = protocol.watch(flight.watch, event.rev, env.clock)
  local facts = {
    is_local = event.facts.is_local, in_flight = event.facts.in_flight, process = event.facts.process,
    same_rev_for = same_rev_for, has_read_raws = flight.has_read_raws,
  }
  flight.rev, flight.watch = event.rev, watch
  return act_on(flight, event.record, env, facts)
end

local function send(flight, env)
  local not_after = intents.not_after(flight.intent, env)
  if not protocol.may_send(not_after, env.clock) then
    return note(flight, merge.fail(flight.record, LATE, env), LATE, env)
  end
  local deadline = owner.not_after(flight.intent.owner)
  flight.step = "send"
  return flight, { act = "send", intent = flight.intent, not_after = not_after, deadline = deadline }
end

function on.put(flight, event, env)
  if event.result == "conflict" then return start_over(flight) end
  flight.rev, flight.is_volatile = event.rev, event.is_volatile
  if event.result == "ok" then return send(flight, env) end
  if flight.is_second_put then return done(flight, "failed", { failure = STORE_FAILED }) end
  return read(flight, "check")
end

-- A put that returned an error may have been executed: then the record has its write_id.
-- A record that the store has, but may lose, is put once more, and nothing is sent before
-- it is durable.
function on.check(flight, event, env)
  local record = not event.is_error and event.record
  local has_happened = record and record.intent and record.intent.write_id == flight.intent.write_id
  if not has_happened then return done(flight, "failed", { failure = STORE_FAILED }) end
  flight.rev, flight.record, flight.is_second_put = event.rev, record, flight.is_volatile
  if flight.is_volatile then return put(flight, "put", record, env) end
  return send(flight, env)
end

-- The source of an answer: the attempt of this flight, or a raw answer in the record.
local function origin(flight, event)
  local source = event.raw or flight.intent
  return source, { parent = source.parent, attempt = source.attempt, key = source.key }
end

-- Has an answer brought another refresh token than the one that was sent?
local function is_rotated(flight, event)
  local token = event.result.tokens.refresh_token
  return token ~= nil and token ~= "" and token ~= origin(flight, event).grant.refresh_token
end

local function entry_of(flight, event, env)
  local source, from = origin(flight, event)
  local result, record = event.result, flight.record
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

local function raw_of(flight, event, env)
  local intent = flight.intent
  return {
    answer = event.result.answer, status = event.result.status, headers = event.result.headers,
    parent = intent.parent, attempt = intent.attempt, key = intent.key, opener = intent.opener, grant = intent.grant,
    obtained = intents.obtained(intent, env, event.sent),
  }
end

local UNREADABLE = { kind = "unknown", code = "unreadable" }

-- Merges the answer of the flight into the record that the store has now.
local function merged(flight, record, env)
  if flight.raw then
    return merge.keep_raw(record, flight.lineage, flight.raw, flight.intent.write_id, UNREADABLE, env)
  end
  return merge.commit(record, flight.lineage, flight.entry)
end

-- The raw answers in the record are obsolete: the flight continues as if there were none.
-- An attempt of this flight would have an intent.
local function without_raws(flight)
  flight.has_read_raws = true
  return start_over(flight)
end

local function save(flight, record, env)
  local act, new = merged(flight, record, env)
  if act == "put" then return put(flight, "save", new, env) end
  if act == "drop" then return done(flight, "dropped", { entry = flight.is_rotated and flight.entry or nil, raw = flight.raw }) end
  if flight.is_volatile then return put(flight, "save", record, env) end
  if not flight.intent then return without_raws(flight) end
  return done(flight, "adopt", { record = record, rev = flight.rev })
end

-- A refused request may have had the wrong time.
local function with_skew(record, skew)
  if not skew or skew == record.skew then return record end
  local copy = {}
  for name, value in pairs(record) do copy[name] = value end
  copy.skew = skew
  return copy
end

function on.send(flight, event, env)
  local result = event.result
  if not result then return without_raws(flight) end
  local record = with_skew(flight.record, event.skew)
  flight.lineage = record.lineage
  if result.kind == "tokens" then
    flight.entry, flight.is_rotated = entry_of(flight, event, env), is_rotated(flight, event)
    return save(flight, record, env)
  elseif result.kind == "unreadable" then
    flight.raw = raw_of(flight, event, env)
    return save(flight, record, env)
  elseif result.kind == "reject" then
    return note(flight, merge.reject(record, result), result, env)
  end
  return note(flight, merge.fail(record, result, env), result, env)
end

function on.save(flight, event)
  if event.result == "conflict" then return read(flight, "merge") end
  if event.result == "error" then
    flight.step, flight.is_volatile = "merge", flight.is_volatile or event.is_volatile
    return flight, { act = "keep" }
  end
  local outcome = flight.raw and "failed" or "refreshed"
  return done(flight, outcome, { record = flight.record, rev = event.rev, failure = flight.raw and UNREADABLE })
end

function on.merge(flight, event, env)
  if event.name == "again" then return read(flight, "merge") end
  if event.is_error then return flight, { act = "keep" } end
  flight.rev = event.rev
  return save(flight, event.record, env)
end

-- After a conflict the record is newer than this failure; after a rejection a spare may
-- have replaced the tokens. The flight starts over in both cases.
function on.note(flight, event)
  local failure, record = flight.failure, flight.record
  if event.result == "conflict" then return start_over(flight) end
  if event.result == "error" or failure.kind ~= "reject" then
    return done(flight, "failed", { failure = failure, record = record, rev = event.rev })
  end
  if record.state ~= "dead" then return start_over(flight) end
  return done(flight, "dead", { failure = failure, record = record, rev = event.rev })
end

---@param want table see protocol.decide
---@param watch? table field `watch` of the last flight for this id
function protocol.begin(want, watch)
  return { step = "look", want = want, watch = watch }, { act = "read" }
end

-- With all fields of a flight.
local function copy_of(flight)
  return {
    step = flight.step, want = flight.want, watch = flight.watch, has_read_raws = flight.has_read_raws,
    rev = flight.rev, record = flight.record, lineage = flight.lineage, intent = flight.intent,
    is_volatile = flight.is_volatile, is_second_put = flight.is_second_put,
    entry = flight.entry, is_rotated = flight.is_rotated, raw = flight.raw, failure = flight.failure,
  }
end

--- The first step of a flight that continues with the answer of another one, which has
--- ended before the store took the answer.
function protocol.resume(flight)
  return read(copy_of(flight), "merge")
end

--- The next step of a flight.
---@return table flight, table effect
function protocol.next(flight, event, env)
  return on[flight.step](copy_of(flight), event, env)
end

return protocol
