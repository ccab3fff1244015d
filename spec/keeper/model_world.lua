-- A state in which workers refresh one record: store, network, clock, server, faults.
-- Each worker is a refresh of grid.keeper.protocol itself, whose effects this carries
-- out. Such a state is a value. `world.steps` gives all that may happen next.
-- Owns: effects, faults and their budget, invariants. Does not know: how worlds are
-- explored.

local codec = require "grid.keeper.record"
local lifecycle = require "grid.keeper.lifecycle"
local owner = require "grid.keeper.owner"
local protocol = require "grid.keeper.protocol"
local server = require "spec.keeper.model_server"

local world = {}

world.TICK = 2
local TIMEOUT = 2
local START = 1000

local function with(value, changes)
  local copy = {}
  for name, field in pairs(value) do copy[name] = field end
  for name, field in pairs(changes) do
    if field == world.NONE then field = nil end
    copy[name] = field
  end
  return copy
end
world.NONE = {}
local NONE = world.NONE

-- A record that the store has put: `durable` is the last one that a loss of power leaves.
local function stored(record, rev)
  return { record = record or NONE, rev = rev, durable = { record = record, rev = rev } }
end

-- Where a worker runs, by topology. `birth` counts the processes that were ever started.
local function machine(scenario, i, birth, boot)
  local me = {
    machine_id = "m", boot_id = boot, pid_namespace = "p", time_namespace = "t",
    pid = tostring(100 + birth), start_time = tostring(birth), instance = "i" .. birth,
  }
  if scenario.topology == "containers" then me.pid_namespace = "p" .. i end
  if scenario.topology == "remote" then me.machine_id, me.boot_id = "m" .. i, ("b%d.%d"):format(i, birth) end
  return me
end

local function entry(token)
  return { tokens = { refresh_token = token }, answer = "a0", life = 1e6, obtained = { wall = START, boot = START }, skew = 0 }
end

function world.new(scenario)
  local self = {
    now = START, boot = "b1", ids = 0, births = scenario.workers, net = {}, workers = {},
    server = server.new(scenario.server, scenario), budget = scenario.faults,
  }
  self = with(self, stored(lifecycle.add(nil, "id", entry(self.server.sessions["1"].current), "L1"), "r0"))
  for i = 1, scenario.workers do self.workers[i] = { me = machine(scenario, i, i, self.boot) } end
  return self
end

--- Does the record hold the living token, or was it removed on purpose?
function world.is_good(self)
  local record = self.record
  if not record or record.state == "removed" then return true end
  return record.state == "live" and server.is_living(self.server, record.tokens.refresh_token)
end

local function env_of(self, worker, scenario)
  local clock = { wall = self.now, boot = self.now }
  return {
    me = worker.me, clock = clock,
    exchange = { reuse = scenario.reuse or scenario.server, reuse_seconds = scenario.grace, timeout = TIMEOUT },
    random = { key = "k" .. self.ids + 1, write_id = "w" .. self.ids + 1, unit = 0 },
    grant = self.record and self.record.tokens and { refresh_token = self.record.tokens.refresh_token },
  }
end

local function facts_of(self, worker, scenario)
  local is_local = scenario.topology == "local"
  local facts = { is_local = is_local, in_flight = false }
  local record = self.record
  local held = record and (record.owner or record.intent and record.intent.owner)
  local pid = held and owner.process_of(held, worker.me, is_local)
  if pid then
    facts.process = { state = "gone" }
    for _, other in ipairs(self.workers) do
      if other.me.pid == pid then facts.process = { state = "alive", start_time = other.me.start_time } end
    end
  end
  return facts
end

local function set_worker(self, i, worker, changes)
  local workers = with(self.workers, { [i] = worker })
  return with(with(self, changes or {}), { workers = workers, ids = self.ids + 1 })
end

local function holds(record, token)
  if record.tokens.refresh_token == token then return true end
  for _, spare in ipairs(record.spares or {}) do
    if spare.tokens.refresh_token == token then return true end
  end
  return false
end

-- A refresh has ended: is the answer that it has read still there, and durable?
local function check_done(self, state, effect)
  local mine, record = state.entry, self.durable.record
  if not mine or not record or record.state == "removed" or record.lineage ~= state.lineage then return nil end
  if effect.outcome == "dropped" then return "an answer of the lineage was dropped" end
  local is_overtaken = record.gen > mine.from.parent + 1 or record.from and record.from.parent > mine.from.parent
  if not is_overtaken and not holds(record, mine.tokens.refresh_token) then return "an answer is nowhere in the record" end
end

-- Passes an event to the refresh of a worker.
local function advance(self, i, event, scenario, changes)
  local worker = self.workers[i]
  local after = changes and with(self, changes) or self
  local state, effect = protocol.next(worker.state, event, env_of(self, worker, scenario))
  if effect.act == "done" then
    local problem = check_done(after, state, effect)
    return set_worker(after, i, { me = worker.me, watch = state.watch }), problem
  end
  local until_ = effect.act == "wait" and self.now + (effect.seconds or 0) or nil
  return set_worker(after, i, { me = worker.me, state = state, effect = effect, wait_until = until_ })
end

-- What a successful put must not do.
local function check_put(before, after, state)
  if not before then return nil end
  if after.gen < before.gen then return "the generation went back" end
  if after.state ~= "dead" then return nil end
  local intent = before.intent
  local is_newer = before.gen ~= state.intent.parent or not intent or intent.write_id ~= state.intent.write_id
  if is_newer then return "a rejection overwrote a newer record" end
end

local function check_record(record)
  if record.state == "removed" then return nil end
  local token = record.tokens.refresh_token
  if not token or token == "" then return "the refresh token was overwritten with nothing" end
  if "L" .. server.session_of(token) ~= record.lineage then return "a session got the token of another lineage" end
end

-- Requests that no worker waits for differ by key and token only.
local function tidy(self)
  if #self.net == 0 then return self end
  local awaited, kept, seen = {}, {}, {}
  for _, worker in ipairs(self.workers) do
    if worker.effect and worker.effect.id then awaited[worker.effect.id] = true end
  end
  for _, request in ipairs(self.net) do
    local name = awaited[request.id] and request.id or request.key .. " " .. request.token
    if not seen[name] then kept[#kept + 1] = awaited[request.id] and request or { key = request.key, token = request.token } end
    seen[name] = true
  end
  return with(self, { net = kept })
end

-- Keeps the steps that may happen, and what they break.
local Steps = {}
Steps.__index = Steps

function Steps:add(label, after, problem, fault)
  if fault then
    local left = self.world.budget[fault] or 0
    if left == 0 then return end
    after = with(after, { budget = with(after.budget, { [fault] = left - 1 }) })
  end
  self[#self + 1] = { label = label, world = tidy(after), problem = problem, is_fault = fault ~= nil }
end

local act = {}

function act.read(self, i, scenario, steps)
  local event = { name = "read", record = self.record, rev = self.rev, facts = facts_of(self, self.workers[i], scenario) }
  steps:add("read", advance(self, i, event, scenario))
end

function act.put(self, i, scenario, steps)
  local effect = self.workers[i].effect
  if effect.rev ~= self.rev then
    return steps:add("conflict", advance(self, i, { name = "put", result = "conflict" }, scenario))
  end
  local rev = "r" .. self.ids + 1
  local kept = scenario.is_packed and assert(codec.unpack(codec.pack(effect.record), "id")) or effect.record
  local done = stored(kept, rev)
  local problem = check_put(self.record, effect.record, self.workers[i].state) or check_record(effect.record)
  local after, other = advance(self, i, { name = "put", result = "ok", rev = rev }, scenario, done)
  steps:add("put", after, problem or other)
  local function failed() return { name = "put", result = "error" } end
  steps:add("put happens, error", advance(self, i, failed(), scenario, done), problem, "store")
  steps:add("put fails", advance(self, i, failed(), scenario), nil, "store")
  local volatile, may_be_lost = with(failed(), { is_volatile = true }), with(done, { durable = self.durable })
  steps:add("put is not durable", advance(self, i, volatile, scenario, may_be_lost), problem, "volatile")
end

-- Is another exchange under way whose owner's time is not over?
local function is_second(self, intent)
  for _, worker in ipairs(self.workers) do
    local other = worker.effect and worker.effect.act == "answer" and worker.state.intent
    if other and other.grant.refresh_token == intent.grant.refresh_token
      and self.now < tonumber(other.owner.deadline) / 1000 then return true end
  end
  return false
end

-- What must hold when a request goes out.
local function check_send(self, intent)
  local record = self.durable.record
  if is_second(self, intent) then return "two exchanges at a time" end
  local is_over = self.now >= tonumber(intent.owner.deadline) / 1000 - owner.COMMIT_TIME
  if is_over then return "a request went out after the owner's time" end
  local is_same = record and record.state == "live" and record.lineage == "L" .. server.session_of(intent.grant.refresh_token)
    and record.gen == intent.parent
  local has_intent = record and record.intent and record.intent.key == intent.key
  if is_same and not has_intent then return "a request went out without a durable intent" end
end

function act.send(self, i, scenario, steps)
  local worker = self.workers[i]
  local effect = worker.effect
  local clock = { wall = self.now, boot = self.now }
  if not protocol.may_send(effect.not_after, clock) then
    local result = { kind = "refused", code = "too_late" }
    return steps:add("too late", advance(self, i, { name = "answer", result = result, sent = clock }, scenario))
  end
  if not effect.intent.grant.refresh_token then return end
  local problem = check_send(self, effect.intent)
  local request = { key = effect.intent.key, token = effect.intent.grant.refresh_token, id = "q" .. self.ids + 1 }
  local waiting = with(worker, { effect = { act = "answer", deadline = effect.deadline, id = request.id, sent = clock } })
  local net = with(self.net, { [#self.net + 1] = request })
  steps:add("send", set_worker(self, i, waiting, { net = net }), problem)
  steps:add("request lost", set_worker(self, i, waiting), problem, "lose")
end

function act.answer(self, i, scenario, steps)
  local worker = self.workers[i]
  local effect = worker.effect
  if worker.mailbox then
    local event = { name = "answer", result = worker.mailbox, sent = effect.sent }
    local after, problem = advance(self, i, event, scenario)
    return steps:add("answer", after, problem)
  end
  if self.now >= effect.deadline then
    local result = { kind = "unknown", code = "timeout" }
    steps:add("timeout", advance(self, i, { name = "answer", result = result, sent = effect.sent }, scenario))
  end
end

function act.read_raws(self, i, scenario, steps)
  local raw = self.workers[i].effect.raws[1]
  local event = { name = "answer", result = self.server.read[raw.answer], raw = raw }
  local after, problem = advance(self, i, event, scenario)
  steps:add("read raw", after, problem)
end

function act.wait(self, i, scenario, steps)
  local worker = self.workers[i]
  if worker.state.watch.rev ~= self.rev or self.now >= worker.wait_until then
    steps:add("look again", advance(self, i, { name = "again" }, scenario))
  end
end

function act.keep(self, i, scenario, steps)
  steps:add("store again", advance(self, i, { name = "again" }, scenario))
end

local function begin(self, i, steps, scenario)
  local record, worker = self.record, self.workers[i]
  if not record or record.state == "removed" then return end
  if record.gen >= scenario.generations and world.is_good(self) then return end
  if record.state == "dead" and not record.raws then return end
  for _, is_last_chance in ipairs(scenario.server == "idempotent" and { false } or { false, true }) do
    local want = {
      known = { lineage = record.lineage, gen = record.gen }, is_forced = true, is_last_chance = is_last_chance,
    }
    local state, effect = protocol.begin(want, worker.watch)
    local begun = set_worker(self, i, { me = worker.me, state = state, effect = effect })
    act.read(begun, i, scenario, steps)
  end
end

local function without(list, index)
  local copy = {}
  for i, item in ipairs(list) do
    if i ~= index then copy[#copy + 1] = item end
  end
  return copy
end

local function hand_over(self, request, result)
  for i, worker in ipairs(self.workers) do
    if request.id and worker.effect and worker.effect.id == request.id and not worker.mailbox then
      return set_worker(self, i, with(worker, { mailbox = result }))
    end
  end
  return with(self, { ids = self.ids + 1 })
end

local NOT_EXECUTED = { kind = "unknown", code = "internal_error", status = 500 }

local function deliver(self, index, steps)
  local request = self.net[index]
  local executed, result, problem = server.execute(self.server, request, self.now)
  local net = without(self.net, index)
  local after = with(self, { net = net, server = executed })
  steps:add("deliver", hand_over(after, request, result), problem)
  steps:add("lost", with(self, { net = net }), nil, "lose")
  steps:add("answer lost", after, problem, "lose")
  steps:add("doubled", hand_over(with(self, { server = executed }), request, result), problem, "double")
  steps:add("not executed", hand_over(with(self, { net = net }), request, NOT_EXECUTED), nil, "unexecuted")
  if result.kind == "tokens" then
    local raw = { kind = "unreadable", answer = result.answer }
    steps:add("unreadable", hand_over(after, request, raw), problem, "unreadable")
  end
end

local function crash(self, i, steps, scenario)
  if not self.workers[i].state then return end
  local me = machine(scenario, i, self.births + 1, self.boot)
  steps:add("crash", set_worker(self, i, { me = me }, { births = self.births + 1 }), nil, "crash")
end

-- All processes of the machine end; the record and what is on its way stay.
local function reboot(self, steps, scenario)
  local boot, workers = "b" .. self.ids + 2, {}
  for i in ipairs(self.workers) do workers[i] = { me = machine(scenario, i, self.births + i, boot) } end
  local changes = { boot = boot, workers = workers, births = self.births + #workers, ids = self.ids + 1 }
  steps:add("reboot", with(self, changes), nil, "reboot")
end

-- The store loses what it has put and not vouched for.
local function lose_power(self, steps)
  local left = self.durable
  if left.rev ~= self.rev then steps:add("power lost", with(self, stored(left.record, left.rev)), nil, "power") end
end

-- The program replaces the session, or removes it.
local function replace(self, steps, scenario)
  local function after(record) return with(with(self, { ids = self.ids + 1 }), stored(record, "r" .. self.ids + 1)) end
  if self.record then
    local env = env_of(self, self.workers[1], scenario)
    local what, tombstone = lifecycle.remove(self.record, env, facts_of(self, self.workers[1], scenario))
    if what ~= "missing" then steps:add("remove", after(tombstone), nil, "remove") end
  end
  if self.record and protocol.decide(self.record, {}, env_of(self, self.workers[1], scenario), { is_local = true }) == "forget" then
    steps:add("forget", after(nil))
  end
  local record = lifecycle.add(self.record, "id", entry(self.server.sessions["2"].current), "L2", true)
  if not self.record or self.record.lineage ~= "L2" then
    steps:add("replace", after(record), check_put(self.record, record), "replace")
  end
end

-- May time pass although something could be done? "none": no · "before send": before a
-- request goes out only · "workers": not while a message is on its way · "any": always.
local function may_pause(self, steps, scenario)
  if #steps == 0 or scenario.pauses == "any" then return true end
  if scenario.pauses == "none" or #self.net > 0 then return false end
  if scenario.pauses == "workers" then return true end
  for _, worker in ipairs(self.workers) do
    if worker.mailbox or worker.effect and worker.effect.act ~= "send" and worker.effect.act ~= "wait" then return false end
  end
  return true
end

local function act_on_all(self, steps, scenario)
  if self.budget.reboot then reboot(self, steps, scenario) end
  if self.budget.power then lose_power(self, steps) end
  if self.budget.replace or self.budget.remove then replace(self, steps, scenario) end
end

--- All that may happen next: { label, world, problem, is_fault }. Nothing counts any more
--- once the server has revoked the session.
function world.steps(self, scenario)
  local steps = setmetatable({ world = self }, Steps)
  if self.server.sessions["1"].is_revoked then return steps end
  for i, worker in ipairs(self.workers) do
    if worker.effect then act[worker.effect.act](self, i, scenario, steps) end
  end
  for index = 1, #self.net do deliver(self, index, steps) end
  local before = #steps
  for i, worker in ipairs(self.workers) do
    if not worker.effect then begin(self, i, steps, scenario) end
    crash(self, i, steps, scenario)
  end
  act_on_all(self, steps, scenario)
  local busy = {}
  for n, step in ipairs(steps) do
    if not step.is_fault and (n <= before or scenario.is_eager) then busy[#busy + 1] = step end
  end
  if may_pause(self, busy, scenario) then steps:add("tick", with(self, { now = self.now + world.TICK })) end
  return steps
end

return world
