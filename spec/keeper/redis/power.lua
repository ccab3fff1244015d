-- A power failure of a Redis: what its file had not synced is gone. strace tells how many
-- bytes were written to the file, and how many of them before the last sync that ended.
-- Owns: the trace of one life of the server.
-- Does not know: stores.

local child = require "spec.support.child"
local redis = require "spec.support.redis"

local power = {}

local FILE = "appendonly%.aof%.%d+%.incr%.aof>"

local function size_of(path)
  return tonumber(child.capture(("stat -c %%s %s 2>/dev/null || echo 0"):format(child.quote(path))))
end

local function path_of(server)
  return child.capture("ls " .. child.quote(server.dir) .. "/appendonlydir/*.incr.aof 2>/dev/null | tail -n 1")
end

--- The bytes that were synced, of a trace, if the file had `size` bytes before.
function power.synced(trace, size)
  local written, synced, syncing, writing = size, size, {}, {} -- by thread
  for line in trace:gmatch "[^\n]+" do
    local pid, call = line:match "^(%d+) +(.*)$"
    call = call or ""
    if call:find(FILE) then
      writing[pid] = call:find "^write%(" ~= nil
      syncing[pid] = call:find "^f%a*sync%(" and written
    end
    if writing[pid] and call:find "write.* = %d+$" then
      written, writing[pid] = written + tonumber(call:match "%d+$"), false
    elseif syncing[pid] and call:find "sync.* = 0$" then
      synced, syncing[pid] = syncing[pid], false
    end
  end
  return synced
end

--- A server whose file is traced, and which can lose power.
function power.start(settings)
  local program = redis.program
  redis.program = "strace -D -f -y -q -s 0 -e trace=write,fsync,fdatasync -o trace " .. program
  local ok, server = pcall(redis.start, settings)
  redis.program = program
  if not ok then error(server, 0) end
  server.first_size = 0
  return server
end

-- strace writes its lines late: the last one tells of the kill.
local function whole_trace(server)
  while true do
    local trace = assert(io.open(server.dir .. "/trace")):read "*a"
    if trace:find("\n" .. server.pid .. " +%+%+%+ killed") then return trace end
    os.execute "sleep 0.05"
  end
end

--- Kills it, and takes from its file what was not synced. -> bytes that are gone
function power.fail(server)
  server:kill()
  local path = path_of(server)
  local synced = power.synced(whole_trace(server), server.first_size)
  local gone = size_of(path) - synced
  os.execute(("truncate -s %.0f %s"):format(synced, child.quote(path)))
  server.first_size = synced
  return gone
end

return power
