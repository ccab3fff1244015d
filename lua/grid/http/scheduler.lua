-- A scheduler carries calls to their end: it starts their tries, reads what has landed,
-- and waits in between.
-- Owns: which of its calls are in flight, and which wait for their next try.
-- Does not know: HTTP, the decisions of a call, and how a host waits (the reactor does).

local errors = require "grid.errors"
local reactor = require "grid.http.reactor"

local scheduler = {}
local Scheduler = { __index = scheduler }

--- For calls of one object of grid.http, at most `limit` in flight. `on_done(call)` takes
--- each that is over.
function scheduler.new(http, limit, on_done)
  return setmetatable({
    http = http,
    host = http.host,
    engine = false,
    source = false, -- gives the next call, or nothing
    limit = limit,
    on_done = on_done,
    active = 0,
    calls = {},    -- by id: those in flight
    landed = {},   -- calls whose transfer has finished
    sleeping = {}, -- call -> time of its next try
    condition = false, -- see condition_of
    waiter = false,    -- see watch
    is_abandoned = false,
  }, Scheduler)
end

--- Begins one call.
function scheduler:begin(call, engine)
  self.engine = engine
  self.active = 1
  self:launch(call)
end

--- Takes its calls from `source()`.
function scheduler:draw(source, engine)
  self.engine, self.source = engine, source
end

function scheduler:wake()
  if self.condition then self.condition:signal() end
end

--- A transfer of that call has finished.
function scheduler:land(call)
  self.landed[#self.landed + 1] = call
  self:wake()
end

function scheduler:is_over()
  return self.active == 0 and not self.source
end

--- Is there a transfer to step for?
function scheduler:needs_step()
  return #self.landed == 0 and not self.http.closed
end

--- What it waits on.
function scheduler:condition_of()
  self.condition = self.condition or self.host.condition()
  return self.condition
end

--- While it runs detached: what its waiter waits on | false.
function scheduler:watch(condition)
  self.waiter = condition
end

--- Has the one who wants the results disappeared?
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
  call:fly(self, transfer, id)
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

-- Why no call can go on: the maker of the error that says so, or nil. A handler or
-- another coroutine may have closed the object, and a handler may have forked: then this
-- is the child, and the calls are its parent's.
function scheduler:obstacle()
  if self.http.closed then return errors.cancelled end
  if not self.engine:is_usable() then return errors.forked end
end

-- An error that is raised while an answer is read, such as that of a debug hook or "not
-- enough memory", must not cost the answers that landed beside it. -> time of the next
-- try | nil, what was raised
local function conclude(call, now)
  local ok, again = pcall(call.conclude, call, now)
  call.transfer:close()
  if ok then return again end
  if not call.res then call:fail(errors.not_read(again)) end
  return nil, again == nil and "an error without a message" or again
end

-- Reads the answers that have landed. Raises what was raised meanwhile, after the last of
-- them. -> false: there were none
function scheduler:read()
  local landed, raised = self.landed, nil
  if #landed == 0 then return false end
  self.landed = {}
  for _, call in ipairs(landed) do
    if self:obstacle() == errors.forked then return true end -- by the handler of the call before
    self.calls[call.id] = nil
    reactor.remove(call.id)
    local again, problem = conclude(call, self.host.now())
    raised = raised or problem
    if again then
      self.sleeping[call] = again
    else
      self:done(call)
    end
  end
  if raised then error(raised, 0) end
  return true
end

-- Starts the tries that are due. -> seconds until the next one, or nil.
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
  self.landed = {}
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

--- The waiter has disappeared. Its functions are not called any more: nginx uses the
--- stack of an ended thread again, and their upvalues lie there. No further try begins.
function scheduler:forsake()
  self.is_abandoned = true
  self.source, self.on_done = false, ignore
end

--- After `forsake`: an answer that has landed may hold the only living token, so the
--- handlers are told of it. With `cancels`, transfers in flight end. A handler may yield,
--- so this runs in a coroutine of its own.
function scheduler:abandon(cancels)
  local ok, problem = pcall(self.read, self)
  if cancels then self:cancel(errors.abandoned) end
  if not ok then error(problem, 0) end
end

-- Long enough to cost nothing, short enough to notice a clock that misbehaves.
local LONGEST_WAIT = 60

--- Does all that can be done now, without a wait and without a step: a try that begins is
--- sent, and its answer takes time. -> seconds until there may be more, or nil: every
--- call is over.
function scheduler:advance()
  while true do
    if self.source then self:fill() end
    local obstacle = self:obstacle()
    if obstacle == errors.cancelled then self:read() end -- what was answered before counts
    if obstacle then self:cancel(obstacle) end
    if self:is_over() then return nil end
    local moved = self:read()
    local pause = next(self.sleeping) and not self.http.closed and self:start_due()
    if not moved and #self.landed == 0 and self.active > 0 and not self.http.closed then
      return pause or LONGEST_WAIT
    end
  end
end

--- Runs until every call is over.
function scheduler:run()
  local pause = self:advance()
  while pause do
    reactor.wait(self, pause)
    pause = self:advance()
  end
end

return scheduler
