-- Changes files on a thread of the core while the calling coroutine waits, so that no
-- event loop waits for the disk.
-- Owns: the writers of a keeper, each of them in use by one coroutine at a time.
-- Does not know: stores, records.

local core = require "grid.core"
local waiting = require "grid.keeper.waiting"

local disk = {}

local MOST_SPARE = 4
local LONGEST_WAIT = 60

-- nginx cannot poll a foreign descriptor: its worker waits for the disk.
local function can_poll(host)
  return host.poller ~= nil and host.name ~= "nginx" and waiting.is_possible(host)
end

-- A writer of the parent of a fork is not usable.
local function take(keeper)
  local writer = table.remove(keeper.writers)
  while writer and not writer:is_usable() do
    writer:close()
    writer = table.remove(keeper.writers)
  end
  return writer or core.writer()
end

local function give_back(keeper, writer)
  if keeper.closed or #keeper.writers >= MOST_SPARE then return writer:close() end
  keeper.writers[#keeper.writers + 1] = writer
end

-- Waits for the one write of a writer. -> its results
local function await(host, writer)
  local poller = host.poller(writer)
  local function finished(id, ...)
    if id then return true, ... end
    poller:wait(LONGEST_WAIT)
  end
  local results
  repeat results = { finished(writer:next_finished()) } until results[1]
  poller:close()
  return results[2], results[3], results[4], results[5]
end

local function run(keeper, method, ...)
  local writer, kind, code, message = take(keeper)
  if not writer then return nil, kind, code, message end
  local id
  id, kind, code, message = writer[method](writer, ...)
  if not id then
    writer:close()
    return nil, kind, code, message
  end
  local ok
  ok, kind, code, message = await(keeper.host, writer)
  give_back(keeper, writer)
  return ok, kind, code, message
end

--- A function like core.file_replace_if | nil: the caller cannot wait for a thread
function disk.replace_if(keeper)
  if not can_poll(keeper.host) then return nil end
  return function(...) return run(keeper, "replace_if", ...) end
end

--- A function like core.file_remove_if | nil
function disk.remove_if(keeper)
  if not can_poll(keeper.host) then return nil end
  return function(...) return run(keeper, "remove_if", ...) end
end

--- Ends the threads that are not in use.
function disk.close(keeper)
  for _, writer in ipairs(keeper.writers) do writer:close() end
  keeper.writers = {}
end

return disk
