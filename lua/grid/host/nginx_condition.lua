-- The conditions of the host inside nginx: a thread waits on a semaphore of ngx_lua.
-- Owns: the semaphore of each condition.
-- Does not know: the threads.

local semaphores = require "ngx.semaphore"

local conditions = {}

--- Waits until the semaphore is posted, at most `seconds`. -> true: it was posted
function conditions.wait_for(semaphore, seconds)
  -- A loop that resumes coroutines in C, such as that of cqueues, leaves the mark of
  -- their coroutine.yield in ngx_lua, which then resumes the next thread that waits at
  -- once. Such a thread is still in the queue of the semaphore, and must not enter it
  -- again.
  local ok, problem = semaphore:wait(seconds)
  while ok == nil and problem == nil do ok, problem = coroutine._yield() end -- luacheck: ignore 143
  return ok
end

local Condition = {}
Condition.__index = Condition

function conditions.new()
  return setmetatable({ semaphore = assert(semaphores.new()), is_waiting = false, is_posted = false }, Condition)
end

--- Waits until `signal`, at most `seconds`.
function Condition:wait(seconds)
  self.is_waiting = true
  conditions.wait_for(self.semaphore, seconds)
  self.is_waiting, self.is_posted = false, false
end

-- Posts are counted by the semaphore; one is enough.
function Condition:signal()
  if self.is_posted then return end
  self.is_posted = true
  self.semaphore:post(1)
end

--- Has nginx ended the waiting thread? nginx removes an ended thread from the queue of
--- the semaphore. count() is the number of posts minus the number of queued threads: -1
--- while a thread waits, 0 after a post.
function Condition:is_abandoned()
  return self.is_waiting and self.semaphore:count() > (self.is_posted and 0 or -1)
end

function Condition:close()
  self.is_waiting = false
end

return conditions
