-- Changes files on threads of the core while the calling coroutine waits, so that no
-- event loop waits for the disk.
-- Owns: the writer of a keeper, which has the threads and their queue; while writes are
-- in flight, a coroutine that takes the results.
-- Does not know: stores, records.

local core = require "grid.core"
local hosts = require "grid.host"
local waiting = require "grid.keeper.waiting"

local disk = {}

local MOST_THREADS = 8
local LONGEST_WAIT = 60
-- A loop may drop a spawned function, as nginx does when it has no free timer: after this
-- time a waiter checks for its result, and spawns the function again.
local SPAWN_TIMEOUT = 0.1

local function can_wait(host)
  return host.poller ~= nil and waiting.is_possible(host)
end

-- The object that a poller polls, with the methods of an engine that it calls.
local Writer = {}
Writer.__index = Writer

function Writer:fd()
  return self.core:fd()
end

function Writer:in_flight()
  return self.count
end

-- The writer of a keeper. That of the parent of a fork is dropped. -> writer | nil, kind,
-- code, message
local function writer_of(keeper)
  local writer = keeper.writer
  if writer and writer.core:is_usable() then return writer end
  if writer then writer.core:close() end
  local made, kind, code, message = core.writer(MOST_THREADS)
  if not made then return nil, kind, code, message end
  keeper.writer = setmetatable({ core = made, count = 0, tickets = {}, poller = false, spawned_at = false }, Writer)
  return keeper.writer
end

-- Stores the results of a write in its ticket { results, waiters }. -> false: no write
local function note(writer, id, ...)
  if not id then return false end
  local ticket = writer.tickets[id]
  writer.tickets[id], writer.count = nil, writer.count - 1
  ticket.results = { ... }
  waiting.wake(ticket.waiters)
  return true
end

-- Takes the results of all finished writes. -> were there any?
local function take_results(writer)
  local count = writer.count
  while writer.count > 0 and note(writer, writer.core:next_finished()) do end
  return writer.count < count
end

-- Seconds for which the coroutine of the writer continues after the last write.
local function linger_of(keeper)
  return keeper.closed and 0 or hosts.linger_of(keeper.host)
end

local function take_while_used(keeper, writer)
  local used_at, seconds = core.now(), LONGEST_WAIT
  while seconds > 0 do
    writer.poller:wait(seconds)
    if take_results(writer) then used_at = core.now() end
    seconds = writer.count > 0 and LONGEST_WAIT or used_at + linger_of(keeper) - core.now()
  end
end

-- Where it begins late, the waiters have taken the results themselves, and its wait would
-- keep the process from its end. If an error ends it ("not enough memory"), a waiter
-- spawns it again.
local function serve(keeper, writer)
  if writer.poller then return end
  local ok, problem = true, nil
  if writer.count > 0 then
    writer.poller = keeper.host.poller(writer)
    ok, problem = pcall(take_while_used, keeper, writer)
    writer.poller:close()
    writer.poller = false
  end
  writer.spawned_at = false
  if keeper.closed and writer.count == 0 then writer.core:close() end
  if not ok then error(problem, 0) end
end

local function ensure_served(keeper, writer)
  local now = core.now()
  if writer.poller and writer.poller.is_ended and writer.poller:is_ended() then writer.poller = false end
  if writer.poller then return writer.poller:wake(LONGEST_WAIT) end
  if writer.spawned_at and now < writer.spawned_at + SPAWN_TIMEOUT then return end
  writer.spawned_at = now
  keeper.host.spawn(serve, keeper, writer)
end

local function await(keeper, writer, ticket)
  while not ticket.results do
    ensure_served(keeper, writer)
    if not ticket.results then waiting.wait(keeper.host, ticket.waiters, SPAWN_TIMEOUT) end
    if not writer.poller then take_results(writer) end -- else the descriptor would not wake the poller
  end
  return ticket.results[1], ticket.results[2], ticket.results[3], ticket.results[4]
end

local function run(keeper, method, ...)
  local writer, kind, code, message = writer_of(keeper)
  if not writer then return nil, kind, code, message end
  local id
  id, kind, code, message = writer.core[method](writer.core, ...)
  if not id then return nil, kind, code, message end
  local ticket = { results = false, waiters = {} }
  writer.tickets[id], writer.count = ticket, writer.count + 1
  return await(keeper, writer, ticket)
end

--- A function like core.file_replace_if | nil: the caller cannot wait for a thread
function disk.replace_if(keeper)
  if not can_wait(keeper.host) then return nil end
  return function(...) return run(keeper, "replace_if", ...) end
end

--- A function like core.file_remove_if | nil
function disk.remove_if(keeper)
  if not can_wait(keeper.host) then return nil end
  return function(...) return run(keeper, "remove_if", ...) end
end

--- Ends the threads, with the last write that is in flight.
function disk.close(keeper)
  local writer = keeper.writer
  if writer and writer.count == 0 and not writer.poller then writer.core:close() end
  keeper.writer = false
end

return disk
