-- Runs calls to their end: starts attempts, reads the answers of finished transfers, and
-- waits in between.
-- Owns: the set of calls in flight, and the times of further attempts.
-- Does not know: HTTP, the decisions of a call, and how a host waits, which is in the
-- reactor.

local errors = require "grid.errors"
local reactor = require "grid.http.reactor"

local scheduler = {}
local Scheduler = { __index = scheduler }

--- A scheduler for calls of one object of grid.http, at most `limit` at once. Each call
--- that has ended is passed to `on_done(call)`.
function scheduler.new(http, limit, on_done)
  return setmetatable({
    http = http,
    host = http.host,
    engine = false,
    source = false, -- returns the next call | nil
    limit = limit,
    on_done = on_done,
    active = 0,
    calls = {},    -- transfer id -> call in flight
    finished = {},   -- calls whose transfer has finished, and whose answer has not been read
    sleeping = {}, -- call -> time of its next attempt
    condition = false, -- see condition_of
    waiter = false,    -- see watch
    is_abandoned = false, is_resumed = false,
  }, Scheduler)
end

--- Starts one call.
function scheduler:begin(call, engine)
  self.engine = engine
  self.active = 1
  self:launch(call)
end

--- Reads calls from `source()` while the scheduler runs.
function scheduler:draw(source, engine)
  self.engine, self.source = engine, source
end

function scheduler:wake()
  if self.condition then self.condition:signal() end
end

--- Queues a call whose transfer has finished.
function scheduler:enqueue(call)
  self.finished[#self.finished + 1] = call
  self:wake()
end

function scheduler:is_over()
  return self.active == 0 and not self.source
end

--- Have the transfers of all its calls finished?
function scheduler:has_finished()
  local count = 0
  for _ in pairs(self.calls) do count = count + 1 end
  return count == #self.finished
end

--- Does the scheduler wait for a transfer to finish?
function scheduler:needs_step()
  return #self.finished == 0 and not self.http.closed
end

--- The condition that `wait` of the HTTP object waits on.
function scheduler:condition_of()
  self.condition = self.condition or self.host.condition()
  return self.condition
end

--- Sets the condition that the caller of a detached scheduler waits on | false: none
function scheduler:watch(condition)
  self.waiter = condition
end

--- Does the caller of a detached scheduler wait for it?
function scheduler:has_waiter()
  return self.waiter and not self.waiter:is_abandoned()
end

--- Is the coroutine that waits for the results closed or killed?
function scheduler:has_no_waiter()
  return self.is_abandoned or self.waiter and self.waiter:is_abandoned() or false
end

function scheduler:done(call)
  self.active = self.active - 1
  self.on_done(call)
end

function scheduler:launch(call)
  local transfer, id = call:start(self.engine, self.host.now())
  if not transfer then return self:done(call) end
  call:set_transfer(self, transfer, id)
  self.calls[id] = call
  reactor.add(id, call)
end

function scheduler:fill()
  while self.source and self.active < self.limit and not self:obstacle() do
    local call = self.source()
    if call then
      self.active = self.active + 1
      self:launch(call)
    else
      self.source = false
    end
  end
end

-- The constructor of the error for all calls | nil: calls can continue. A handler or
-- another coroutine may have closed the object. A handler may have forked: in the child,
-- all calls belong to the parent.
function scheduler:obstacle()
  if self.http.closed then return errors.cancelled end
  if not self.engine:is_usable() then return errors.forked end
end

-- Reads one answer. An error that is raised meanwhile ("not enough memory", a debug hook)
-- ends this call only: the answers of the other finished calls are still read. -> time of
-- the next attempt | nil, the error
local function conclude(call, now)
  local ok, result = pcall(call.conclude, call, now)
  call.transfer:close()
  if ok then return result end
  if not call.res then call:fail(errors.not_read(result)) end
  return nil, result == nil and "an error without a message" or result
end

-- Reads the answers of all finished calls, then raises the first error of reading one. ->
-- false: no call has finished
function scheduler:read()
  local finished, raised = self.finished, nil
  if #finished == 0 then return false end
  self.finished = {}
  for i = 1, #finished do
    local call = finished[i]
    local obstacle = self:obstacle()
    if obstacle and obstacle == errors.forked then return true end -- in the handler of the previous call
    self.calls[call.id] = nil
    reactor.remove(call.id)
    local next_attempt, problem = conclude(call, self.host.now())
    raised = raised or problem
    if next_attempt then
      self.sleeping[call] = next_attempt
    else
      self:done(call)
    end
  end
  if raised then error(raised, 0) end
  return true
end

-- Starts the attempts that are due. -> seconds until the next attempt | nil
function scheduler:start_due()
  local now, soonest = self.host.now(), nil
  for call, due in pairs(self.sleeping) do
    if due <= now then
      self.sleeping[call] = nil
      self:launch(call)
    elseif not soonest or due < soonest then
      soonest = due
    end
  end
  return soonest and soonest - now
end

function scheduler:cancel(new_error)
  self.source = false
  self.finished = {}
  for id, call in pairs(self.calls) do
    self.calls[id] = nil
    reactor.remove(id)
    local sent = call:sent_so_far()
    call.transfer:close()
    call:give_up(new_error(sent))
    self:done(call)
  end
  for call in pairs(self.sleeping) do
    self.sleeping[call] = nil
    call:fail(new_error "no")
    self:done(call)
  end
end

local function ignore() end

--- The waiting coroutine has been closed or killed. `source` and `on_done` are not called
--- any more, since nginx reuses the stack of an ended thread, which holds their upvalues.
--- No further attempt starts.
function scheduler:mark_abandoned()
  self.is_abandoned = true
  self.source, self.on_done = false, ignore
end

--- After `mark_abandoned`: reads the answers of finished calls and passes them to
--- on_event, since an answer may contain the only valid token. With `cancels`, ends the
--- transfers in flight. Must run in a coroutine of its own, since a handler may yield.
function scheduler:conclude_abandoned(cancels)
  local ok, problem = pcall(self.read, self)
  if cancels then self:cancel(errors.abandoned) end
  if not ok then error(problem, 0) end
end

-- Bounds one wait, so that a wrong clock delays a scheduler by a minute at most. One
-- wakeup per minute is negligible.
local LONGEST_WAIT = 60

--- Starts attempts and reads answers until the scheduler has to wait. Does not step the
--- engine. -> seconds to wait at most | nil: all calls have ended
function scheduler:advance()
  while not self:is_over() do
    if self.source then self:fill() end
    local obstacle = self:obstacle()
    if obstacle then
      if obstacle == errors.cancelled then self:read() end -- answers received before are results
      self:cancel(obstacle)
    end
    local moved = self:read()
    local pause = next(self.sleeping) and not self.http.closed and self:start_due()
    if not moved and #self.finished == 0 and self.active > 0 and not self.http.closed then
      return pause or LONGEST_WAIT
    end
  end
end

--- Runs until all calls have ended.
function scheduler:run()
  local pause = self:advance()
  while pause do
    self.http.wait(self, pause)
    pause = self:advance()
  end
end

--- May it run another call? Not after its coroutine was ended: one that concludes its
--- calls in place of that may still do so.
function scheduler:is_reusable()
  return not self.is_abandoned and not self.is_resumed
end

--- Continues after the coroutine of `run` was ended. A call whose handler did that has
--- ended.
function scheduler:resume()
  self.active, self.is_resumed = 0, true
  for _, calls in ipairs { self.calls, self.sleeping } do
    for _ in pairs(calls) do self.active = self.active + 1 end
  end
  self:run()
end

return scheduler
