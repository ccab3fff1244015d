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

--- Calls off what is in the air, or has landed, for flights that nobody waits for any more, as the host sees it.
function flight.give_up(is_abandoned)
  for id, call in pairs(in_the_air) do
    if is_abandoned(call.flight) then
      in_the_air[id] = nil
      call.transfer:close()
    end
  end
end

function flight:land()
  local landed = self.landed
  if #landed == 0 then return false end
  self.landed = {}
  for _, call in ipairs(landed) do
    if self:obstacle() == errors.forked then return true end -- by the handler of the call before
    self.calls[call.id], in_the_air[call.id] = nil, nil
    local again = call:conclude(self.host.now())
    call.transfer:close()
    if again then
      self.sleeping[call] = again
    else
      self:done(call)
    end
  end
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

-- Why no call can go on: the maker of the error that says so, or nil. A handler or another thread of control may have closed the
-- client, and a handler may have forked: then this is the child, and the calls are its parent's.
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
    call:fail(new_error(call.err.sent, call.err))
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
