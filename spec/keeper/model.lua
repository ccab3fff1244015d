-- An explicit-state model checker for the keeper's protocol.
-- Explores each world that can be reached, and tells how many there are, in how many of
-- them the session is lost whatever happens next, and which invariants were broken on the
-- way. Two worlds are one when they differ only in names (random ids, tokens, revs) and
-- in times that make no difference any more.
-- Does not know: what happens in a world, which is in model_world.lua.

local world = require "spec.keeper.model_world"

local model = {}

-- Writes what matters of a world, with names in the order in which they are met.
local Writer = {}
Writer.__index = Writer

local function new_writer(self, scenario)
  return setmetatable({
    parts = {}, names = {}, count = 0, attempts = {}, now = self.now, read = self.server.read, stored = self.record,
    scenario = scenario,
  }, Writer)
end

function Writer:put(value)
  self.parts[#self.parts + 1] = value == nil and "-" or tostring(value)
end

function Writer:name(name)
  if name == nil or name == "" then return self:put(name) end
  if not self.names[name] then
    self.count = self.count + 1
    self.names[name] = "#" .. self.count .. (name:match "@%d+$" or "")
  end
  self:put(self.names[name])
end

function Writer:left(time)
  self:put(math.max(0, time - self.now))
end

-- Attempts are compared with each other only: see `model.key`.
function Writer:attempt(number)
  self:put(number)
  self.attempts[#self.attempts + 1] = { #self.parts, number }
end

function Writer:from(from)
  self:put(from.parent)
  self:attempt(from.attempt)
end

function Writer:entry(entry)
  self:name(entry.tokens.refresh_token)
  self:name(entry.answer)
  if entry.from then self:from(entry.from) end
end

function Writer:owner(held)
  self:name(held.instance)
  self:name(held.boot_id)
  self:left(tonumber(held.deadline) / 1000)
end

function Writer:intent(intent)
  self:name(intent.key)
  self:name(intent.grant.refresh_token)
  self:name(intent.write_id)
  self:attempt(intent.attempt)
  self:put(("%d%s%s%d"):format(intent.parent, intent.open and "o" or "", intent.doubt and "d" or "", math.min(intent.stuck, 3)))
  if self.scenario.grace then
    self:name(intent.first_sent.boot_id)
    self:left(intent.first_sent.boot + self.scenario.grace)
  end
  self:owner(intent.owner)
end

function Writer:list(letter, list, write)
  if not list then return end
  self:put(letter .. #list)
  for _, item in ipairs(list) do write(self, item) end
end

-- An answer that was not read yet: what it will give counts, too.
function Writer:unread(answer)
  self:name(answer)
  self:name(self.read[answer].tokens.refresh_token)
end

function Writer:raw(raw)
  self:unread(raw.answer)
  self:from(raw)
end

function Writer:record(record)
  if not record then return self:put "none" end
  self:put(record.state)
  self:put(record.lineage)
  self:put(record.gen)
  if record.owner then self:owner(record.owner) end
  if record.tokens then self:entry(record) end
  self:list("s", record.spares, self.entry)
  self:list("r", record.raws, self.raw)
  if record.intent then self:intent(record.intent) end
end

function Writer:state(state, effect)
  self:put(state.step)
  self:put(effect.act)
  self:put(state.want.is_last_chance)
  self:put(state.want.known.lineage)
  self:put(state.want.known.gen)
  self:put(state.has_read_raws)
  self:put(state.failure and state.failure.kind)
  if state.step == "look" then return end
  self:name(state.rev)
  if state.record == self.stored then self:put "=" else self:record(state.record) end
  if state.intent and not (state.record and state.intent == state.record.intent) then self:intent(state.intent) end
  self:put((state.is_volatile and "v" or "") .. (state.is_second_put and "2" or ""))
  self:put(state.lineage)
  if state.entry then self:entry(state.entry) end
  if state.raw then self:raw(state.raw) end
  if effect.not_after then self:left(effect.not_after) end
  if effect.deadline then self:left(effect.deadline) end
end

function Writer:worker(worker)
  self:put "W"
  self:name(worker.me.instance)
  self:name(worker.me.boot_id)
  local watch = worker.state and worker.state.watch or worker.watch
  if watch and self.scenario.topology == "remote" then
    self:name(watch.rev)
    self:left(watch.since + 4)
  end
  if not worker.state then return end
  self:state(worker.state, worker.effect)
  if worker.effect.act == "wait" then
    self:name(worker.state.watch.rev)
    self:left(worker.wait_until)
  end
  if worker.effect.id then self:name(worker.effect.id) end
  if worker.mailbox then
    self:put(worker.mailbox.kind)
    self:put(worker.mailbox.code)
    if worker.mailbox.answer then self:unread(worker.mailbox.answer) end
  end
end

-- Answers by key and the first key of a token count as long as another part
-- of the state names both.
local function write_server(self, server)
  self:put(server.omits)
  for name = 1, 2 do
    local session = server.sessions[tostring(name)]
    self:put(session.is_revoked and "revoked" or "S")
    self:name(session.current)
    if session.previous then self:name(session.previous) end
    if session.grace_until then self:left(session.grace_until) end
    local lines = {}
    for key, result in pairs(session.answers) do
      if self.names[key] then lines[#lines + 1] = self.names[key] .. "=" .. (self.names[result.tokens.refresh_token] or "?") end
    end
    for token, key in pairs(session.key_of) do
      if self.names[token] then lines[#lines + 1] = self.names[token] .. ":" .. (self.names[key] or "?") end
    end
    table.sort(lines)
    self:put(table.concat(lines, ","))
  end
end

-- Attempts by rank: how often an intent was taken over makes no difference.
local function rank(self)
  local list = self.attempts
  table.sort(list, function(a, b) return a[2] < b[2] end)
  local number, last = 0, nil
  for _, item in ipairs(list) do
    if item[2] ~= last then number, last = number + 1, item[2] end
    self.parts[item[1]] = number
  end
end

local FAULTS = {
  "crash", "lose", "store", "double", "unexecuted", "unreadable", "remove", "replace", "reboot", "volatile", "power",
}

function model.key(self, scenario)
  local writer = new_writer(self, scenario)
  writer:name(self.rev)
  writer:record(self.record)
  if self.durable.rev ~= self.rev then
    writer:name(self.durable.rev)
    writer:record(self.durable.record)
  end
  for _, worker in ipairs(self.workers) do writer:worker(worker) end
  for _, request in ipairs(self.net) do
    writer:put "Q"
    if request.id then writer:name(request.id) end
    writer:name(request.key)
    writer:name(request.token)
  end
  write_server(writer, self.server)
  for _, fault in ipairs(FAULTS) do writer:put(self.budget[fault] or 0) end
  rank(writer)
  return table.concat(writer.parts, " ")
end

-- How many worlds lead to none of the good ones without a further fault.
local function count_lost(good, before, count)
  local queue, seen = {}, {}
  for i in pairs(good) do
    queue[#queue + 1] = i
    seen[i] = true
  end
  local head = 1
  while queue[head] do
    for _, i in ipairs(before[queue[head]] or {}) do
      if not seen[i] then
        seen[i] = true
        queue[#queue + 1] = i
      end
    end
    head = head + 1
  end
  return count - #queue, seen
end

local Search = {}
Search.__index = Search

function Search:visit(new)
  local key = model.key(new, self.scenario)
  local i = self.index[key]
  if not i then
    i = self.states + 1
    self.states, self.index[key] = i, i
    self.queue[i] = new
    if world.is_good(new) then self.good[i] = true end
  end
  return i
end

function Search:expand(i)
  for _, step in ipairs(world.steps(self.queue[i], self.scenario)) do
    if step.problem then self.problems[step.problem] = (self.problems[step.problem] or 0) + 1 end
    local j = self:visit(step.world)
    if not self.cause[j] and j ~= i then self.cause[j] = { i, step.label } end
    if not step.is_fault then
      self.before[j] = self.before[j] or {}
      table.insert(self.before[j], i)
    end
  end
  self.queue[i] = false
end

--- The labels of the steps that lead to a state.
local function trace(self, i)
  local labels = {}
  while i and i ~= 1 do
    table.insert(labels, 1, self.cause[i][2])
    i = self.cause[i][1]
  end
  return table.concat(labels, ", ")
end

local LIMIT = 400000

--- -> { states, lost, problems, example }: problems as text -> how often, example the
--- steps to the first lost state. Raises above a number of states that no scenario has.
function model.explore(scenario)
  if jit then jit.off() end -- LuaJIT gives up most traces here, and takes twice the time
  local search = setmetatable({
    scenario = scenario, states = 0, index = {}, queue = {}, good = {}, before = {}, cause = {}, problems = {},
  }, Search)
  search:visit(world.new(scenario))
  local i = 1
  while i <= search.states do
    search:expand(i)
    i = i + 1
    assert(search.states <= LIMIT, "the model has more states than expected")
  end
  if jit then jit.on() end
  local lost, seen = count_lost(search.good, search.before, search.states)
  local example
  for state = 1, search.states do
    if not seen[state] then example = trace(search, state) break end
  end
  return { states = search.states, lost = lost, problems = search.problems, example = example }
end

return model
