-- The callers of a simulation: threads that use the keeper of their process, in a random
-- order, and judge what they get.
-- Owns: what a caller may expect of a session.
-- Does not know: stores, the server, faults.

local callers = {}

local LONGEST_TIMEOUT = 5

local function family_of(session)
  return session.access_token:match "^(%w+)"
end

-- ---- What is expected -----------------------------------------------------------------
-- An edit, which is an add or a removal, is known for sure in the process that made it,
-- unless another one began or ended meanwhile, and until another one begins.

local function edits_of(self, id)
  self.edits[id] = self.edits[id] or { changes = 0, threads = {}, known = nil }
  return self.edits[id]
end

local function begin_edit(self, id)
  local edits = edits_of(self, id)
  edits.changes, edits.known = edits.changes + 1, nil
  edits.threads[self.world.running] = true
  return edits.changes
end

-- A thread of a process that has crashed is gone, and its edit with it.
local function is_alone(edits)
  for thread in pairs(edits.threads) do
    if not thread.is_gone then return false end
  end
  return true
end

-- `outcome`: { process, is_removed } | { process, family } | nil: the edit failed, and
-- may have happened
local function end_edit(self, id, began_as, outcome)
  local edits = edits_of(self, id)
  edits.threads[self.world.running] = nil
  edits.known = edits.changes == began_as and is_alone(edits) and outcome or nil
  edits.changes = edits.changes + 1
end

-- The edit after which the session of a call must be, if no other one begins meanwhile.
local function expected(self, process, id)
  local known = edits_of(self, id).known
  return known and known.process == process and known or nil
end

local function check_edit(self, edit, id, session)
  if not edit or edits_of(self, id).known ~= edit then return end
  if edit.is_removed then return self.world:fail("a session that was removed:", id, session.access_token) end
  if edit.family ~= family_of(session) then self.world:fail("a session that was replaced:", id, session.access_token) end
end

-- A process gets no older generation than before, and none that can still be lost.
local function check_generation(self, process, id, session)
  local family, last = family_of(session), process.seen[id]
  if last and last.family == family and session.generation < last.generation then
    self.world:fail("an older generation:", id, session.generation, "after", last.generation)
  end
  process.seen[id] = { family = family, generation = session.generation }
  if self.stores:may_be_lost(id, family, session.generation) then
    self.world:fail("a generation that was saved nowhere:", id, session.generation)
  end
end

local function check(self, process, id, edit, session)
  if not session then return end
  check_edit(self, edit, id, session)
  check_generation(self, process, id, session)
end

-- ---- What callers do ------------------------------------------------------------------

local function get(self, process, id, minimum)
  local edit = expected(self, process, id)
  local session, err = process.keeper:get(id, { timeout = self.world:integer(0, LONGEST_TIMEOUT), min_ttl = minimum })
  self.world:say("get", id, session and session.generation, err and err.code)
  check(self, process, id, edit, session)
end

local actions = {}

function actions.get(self, process, id)
  get(self, process, id)
end

function actions.get_for_long(self, process, id)
  get(self, process, id, self.world:integer(0, self.life))
end

function actions.refresh(self, process, id)
  local edit = expected(self, process, id)
  local session, err = process.keeper:refresh(id)
  self.world:say("refresh", id, session and session.generation, err and err.code)
  check(self, process, id, edit, session)
end

function actions.refresh_due(self, process)
  local counts, err = process.keeper:refresh_due { concurrency = self.world:integer(1, 3), limit = self.world:integer(1, 4) }
  self.world:say("refresh_due", counts and counts.due, err and err.code)
end

function actions.status(self, process, id)
  local status, err = process.keeper:status(id)
  self.world:say("status", id, status and status.state, err and err.code)
end

function actions.invalidate(self, process, id)
  local last = process.seen[id]
  process.keeper:invalidate(id, last and last.generation or 1)
  self.world:say("invalidate", id)
end

function actions.replace(self, process, id)
  if not self.world:chance(self.scenario.replace) then return end
  local began_as, tokens = begin_edit(self, id), self.server:log_in()
  local session, err = process.keeper:add(id, tokens, { replace = true })
  end_edit(self, id, began_as, session and { process = process, family = family_of(tokens) })
  self.world:say("add", id, tokens.access_token, session and session.generation, err and err.code)
end

function actions.remove(self, process, id)
  if not self.world:chance(self.scenario.remove) then return end
  local began_as = begin_edit(self, id)
  local is_removed, err = process.keeper:remove(id, { revoke = false })
  end_edit(self, id, began_as, is_removed and { process = process, is_removed = true })
  self.world:say("remove", id, is_removed, err and err.code)
end

local ORDER = { "get", "get_for_long", "refresh", "refresh_due", "status", "invalidate", "replace", "remove" }

--- Values for `callers.run`.
function callers.new(world, scenario, server, stores, ids)
  return {
    world = world, scenario = scenario, server = server, stores = stores, ids = ids, life = server.life,
    edits = {}, -- by id
  }
end

--- The work of a caller's thread.
function callers.run(self, process, count, longest_pause, ends_at)
  local world = self.world
  for _ = 1, count do
    if world.now > ends_at then return end
    actions[world:pick(ORDER)](self, process, world:pick(self.ids))
    world:sleep(world:unit() * longest_pause)
  end
end

return callers
