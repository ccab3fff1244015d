-- Shows whether nginx has ended a thread. nginx ends a request, or a timer, with all its
-- threads, without a report to Lua code, when the client disconnects, or when one of the
-- threads calls ngx.exit. A witness is one more thread, which only waits: then its
-- condition is abandoned. ngx.thread.kill ends one thread; the witness reads its status.
-- Owns: the thread of each witness.
-- Does not know: the work of the other thread.

local conditions = require "grid.host.nginx_condition"

local witnesses = {}

local Witness = {}
Witness.__index = Witness

local function attend(self, thread)
  while not self.is_closed and not self.is_thread_dead do
    self.condition:wait(self.round)
    self.is_thread_dead = coroutine.status(thread) == "dead"
  end
  self.thread = false
end

-- -> witness | nil: nginx spawns no thread here
local function new(round)
  local self = setmetatable({
    condition = conditions.new(), round = round, thread = false, is_shared = false, is_closed = false, is_thread_dead = false,
  }, Witness)
  local ok, thread = pcall(ngx.thread.spawn, attend, self, coroutine.running())
  self.thread = thread
  return ok and self or nil
end

--- Has nginx ended the thread of the witness?
function Witness:is_ended()
  return self.is_thread_dead or self.condition:is_abandoned()
end

--- Ends the witness. Called by the thread that has made it, and for a shared one by its
--- timer only. The thread of the witness is killed: after a QUIT a worker runs its
--- pending timers, but nginx 1.22 resumes the threads to which they have posted only
--- after its next event, which would be the end of this thread's round.
function Witness:finish()
  self.is_closed = true
  self.condition:close()
  local _, is_killed = pcall(ngx.thread.kill, self.thread)
  if is_killed ~= 1 then self.condition:signal() end
end

--- Ends the witness, unless it is that of a timer.
function Witness:close()
  if not self.is_shared then self:finish() end
end

local ROUND = 1 -- seconds between two looks at the status

--- A witness of the running thread, until `close`; in a thread of a timer with a witness,
--- that one | nil: nginx spawns no thread here
function witnesses.of_thread()
  return ngx.get_phase() == "timer" and ngx.ctx.grid_witness or new(ROUND)
end

--- A witness of the running timer, for all its threads, until `finish` | nil: nginx
--- spawns no thread here
---@param round number seconds between two looks at the status
function witnesses.of_timer(round)
  local self = new(round)
  if self then self.is_shared = true end
  ngx.ctx.grid_witness = self
  return self
end

return witnesses
