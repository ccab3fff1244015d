-- Wakes a coroutine inside nginx when a descriptor is readable. ngx_lua polls no foreign
-- descriptor, so a notifier of the core polls it on a thread and sends a datagram to a
-- cosocket.
-- Owns: the notifier and the cosocket of each wakeup. A cosocket belongs to a timer of
-- nginx, so the timer keeps the wakeups that are not in use, until it closes them.
-- Does not know: the engine, and the timers.

local core = require "grid.core"

local wakeup = {}
local Wakeup = { __index = wakeup }

local SECRET_SIZE = 16

-- Longer than the notifier takes, so that nginx reports a timeout of the cosocket only if
-- the datagram is lost.
local MARGIN = 1 -- seconds

-- The wakeups of the running timer that are not in use.
local function spares()
  local ctx = ngx.ctx
  ctx.grid_wakeups = ctx.grid_wakeups or {}
  return ctx.grid_wakeups
end

local function open()
  local secret = core.random_bytes(SECRET_SIZE)
  local notifier = secret and core.notifier(secret)
  if not notifier then return nil end
  local self = setmetatable({ notifier = notifier, socket = ngx.socket.udp(), due = false }, Wakeup)
  if self.socket:setpeername("127.0.0.1", notifier:port()) and self.socket:send(secret) then return self end
  self:close()
end

-- After a failure no wakeup is opened for so long, since nginx logs each failure.
local RETRY_AFTER = 10 -- seconds
local retry_at = 0

local function back_off()
  retry_at = core.now() + RETRY_AFTER
end

--- A wakeup for the running timer | nil: no descriptor, thread or connection is left
function wakeup.take()
  local self = table.remove(spares())
  if self or core.now() < retry_at then return self end
  self = open()
  if not self then back_off() end
  return self
end

--- Waits until the descriptor is readable or `wake`, at most `seconds`. -> false: has not
--- waited, since the secret has not arrived yet | nil: has failed, and is closed
function wakeup:wait(descriptor, seconds)
  if not self.notifier:arm(descriptor, seconds) then return false end
  self.due = core.now() + seconds
  self.socket:settimeout((seconds + MARGIN) * 1000)
  local received = self.socket:receive(1)
  self.due = false
  if received then return true end
  self:close()
  back_off()
end

--- Ends the current wait if its timeout is longer than `seconds`.
function wakeup:wake(seconds)
  if not self.due or not seconds or core.now() + seconds >= self.due then return end
  self.due = false
  self.notifier:send()
end

function wakeup:close()
  self.socket:close()
  self.notifier:close()
end

--- The timer keeps the wakeup for the next `take`.
function wakeup:release()
  table.insert(spares(), self)
end

function wakeup.has_spares()
  return #spares() > 0
end

function wakeup.close_spares()
  while wakeup.has_spares() do table.remove(spares()):close() end
end

return wakeup
