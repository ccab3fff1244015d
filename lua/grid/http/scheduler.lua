-- A flight carries calls to their end: it starts their tries, steps the engine, and waits in the way of its host.
-- Owns: which of its calls are in the air and which wait for their next try. Knows nothing of HTTP, nor of what a call decides.
-- All flights of a Lua state share one engine. Whoever steps it hands every finished transfer to the flight it belongs to.

local errors = require "grid.errors"

local flight = {}
local Flight = { __index = flight }

-- Transfer's id -> its call, until it lands. Weak: a flight that is given up takes its calls, and so their transfers,
-- with it.
local in_the_air = setmetatable({}, { __mode = "v" })

--- A flight for calls of one client. `source()` gives the next call, or nothing; `on_done(call)` takes each that is over.
function flight.new(client, engine, source, limit, on_done)
  local self = setmetatable({
    client = client,
    engine = engine,
    host = client.host,
    source = source,
    limit = limit,
    on_done = on_done,
    active = 0,
    calls = {},    -- by id: what is in the air
    landed = {},   -- calls whose transfer has finished
    sleeping = {}, -- call -> time of its next try
  }, Flight)
  client.flights[self] = true
  return self
end

local function ignore() end

--- A flight that carries one call, and when that is over another. Its engine comes with each.
function flight.single(client)
  return flight.new(client, nil, nil, 1, ignore)
end

--- Begins the one call. Since the last one there may have been a fork, and how its host waited says nothing of this one.
function flight:begin(call, engine)
  self.engine = engine
  self.nap = nil
  self.active = 1
  self:launch(call)
end

-- Nobody else steps the engine, and there is something to step for.
function flight:is_due()
  local is_driven = self.host.is_driven
  return #self.landed == 0 and not self.client.closed and not (is_driven and is_driven())
end

function flight:is_over()
  return self.active == 0 and not self.source
end

function flight:done(call)
  self.active = self.active - 1
  self.on_done(call)
end

function flight:launch(call)
  local transfer, id = call:start(self.engine, self.host.now())
  if not transfer then return self:done(call) end
  call.flight, call.transfer, call.id = self, transfer, id
  self.calls[id] = call
  in_the_air[id] = call
end

function flight:fill()
  while self.source and self.active < self.limit and not self:obstacle() do
    local call = self.source()
    if call then
      self.active = self.active + 1
      self:launch(call)
    else
      self.source = nil
    end
  end
end

--- One step of the engine, for everybody. -> true if something landed.
function flight.step(engine)
  engine:step()
  local id = engine:next_finished()
  local landed = id ~= nil
  while id do
    local call = in_the_air[id]
    if call then
      local owner = call.flight
      owner.landed[#owner.landed + 1] = call
      if owner.wake then owner:wake() end
    end
    id = engine:next_finished()
  end
  return landed
end

--- The flights with transfers under way, or finished, whose waiter is gone as the host sees it. -> list
function flight.abandoned(is_abandoned)
  local list, seen = {}, {}
  for _, call in pairs(in_the_air) do
    local one = call.flight
    if not seen[one] and is_abandoned(one) then list[#list + 1] = one end
    seen[one] = true
  end
  return list
end

--- The waiter is gone. An answer that has landed may hold the only living token, so the handlers are told of it; no further try
--- begins. With `cancels`, transfers under way end. A handler may yield, so a host runs this in a coroutine of its own.
--- Functions of the waiter are not called: nginx uses the stack of an ended thread again, and their upvalues lie there.
function flight:abandon(cancels)
  self.is_abandoned = true
  self.source, self.on_done = nil, ignore
  local ok, problem = pcall(self.land, self)
  if cancels then self:cancel(errors.abandoned) end
  if not ok then error(problem, 0) end
end

-- An error that is raised while an answer is read, such as that of a debug hook or "not enough memory", must not cost the answers
-- that landed beside it. -> time of the next try | nil, what was raised
local function conclude(call, now)
  local ok, again = pcall(call.conclude, call, now)
  call.transfer:close()
  if ok then return again end
  if not call.res then call:fail(errors.not_read(again)) end
  return nil, again == nil and "an error without a message" or again
end

--- Reads the answers that have landed. Raises what was raised meanwhile, after the last of them.
function flight:land()
  local landed, raised = self.landed, nil
  if #landed == 0 then return false end
  self.landed = {}
  for _, call in ipairs(landed) do
    if self:obstacle() == errors.forked then return true end -- by the handler of the call before
    self.calls[call.id], in_the_air[call.id] = nil, nil
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

-- Wakes what is due. -> seconds until the next one, or nil.
function flight:wake_sleepers()
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

-- Why no call can go on: the maker of the error that says so, or nil. A handler or
-- another thread of control may have closed the client, and a handler may have forked:
-- then this is the child, and the calls are its parent's.
function flight:obstacle()
  if self.client.closed then return errors.cancelled end
  if not self.engine:is_usable() then return errors.forked end
end

function flight:cancel(new_error)
  self.source = nil
  self.landed = {}
  for id, call in pairs(self.calls) do
    self.calls[id], in_the_air[id] = nil, nil
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

-- Long enough to cost nothing, short enough to notice a clock that misbehaves.
local LONGEST_WAIT = 60

--- Does all that can be done now, without waiting and without a step: to begin a try is to send it, and what comes back takes
--- its time. -> seconds until there may be more, or nil: every call is over.
function flight:advance()
  while true do
    if self.source then self:fill() end
    local obstacle = self:obstacle()
    if obstacle == errors.cancelled then self:land() end -- what was answered before counts
    if obstacle then self:cancel(obstacle) end
    if self:is_over() then return nil end
    local moved = self:land()
    local pause = next(self.sleeping) and not self.client.closed and self:wake_sleepers()
    if not moved and #self.landed == 0 and self.active > 0 and not self.client.closed then
      return pause or LONGEST_WAIT
    end
  end
end

--- Runs until every call is over.
function flight:run()
  local pause = self:advance()
  while pause do
    self.host.idle(self.engine, pause, self)
    if self:is_due() then flight.step(self.engine) end
    pause = self:advance()
  end
end

return flight
