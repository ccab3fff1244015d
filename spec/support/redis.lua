-- Starts a real Redis or Valkey for a spec, on a free loopback port, and ends it by its
-- process id. A server also ends when the process that started it has ended. REDIS names
-- another server program.
-- Owns: a folder with the configuration, the log and the files of the server.
-- Does not know: stores.

local child = require "spec.support.child"
local files = require "spec.support.files"
local nginx = require "spec.support.nginx"

local redis = {}
local Server = {}
Server.__index = Server

redis.program = os.getenv "REDIS" or "redis-server"

local PATIENCE = 20 -- seconds
local ATTEMPTS = 20 -- at a port

--- What a program needs to find redis-lua: Debian has none for Lua 5.4, but the one for
--- 5.3 runs there.
redis.prelude = rawget(_G, "jit") and "" or 'package.path = package.path .. ";/usr/share/lua/5.3/?.lua" '
assert((loadstring or _G.load)(redis.prelude))() -- luacheck: ignore 113

-- One shell is the parent of the server, so that its end is seen immediately.
local LAUNCH = [[
%s redis.conf %s >log 2>&1 & pid=$!
echo $pid >pid.new && mv pid.new pid
( while kill -0 %s && kill -0 $pid; do sleep 0.5; done; kill -9 $pid ) 2>/dev/null &
wait $pid 2>/dev/null
echo $? >ended]]

--- `settings`: lines of a configuration. `words`: what follows its name, "--sentinel".
--- -> server with the field port. Where a program has taken a port, another one is tried.
function redis.start(settings, words)
  local self = setmetatable({ dir = child.capture "mktemp -d" }, Server)
  self.settings, self.program, self.words = settings or "", redis.program, words or ""
  for attempt = 1, ATTEMPTS do
    self.port = nginx.random_port()
    local ok, err = pcall(self.launch, self)
    if ok then return self end
    if attempt == ATTEMPTS or not self:log():find("in use", 1, true) then error(err, 2) end
  end
end

--- Starts it, again after `kill`, with the files that it has left.
function Server:launch()
  files.write(self.dir .. "/redis.conf",
    ("bind 127.0.0.1\nport %d\nsave ''\ndir \"%s\"\n%s\n"):format(self.port, self.dir, self.settings))
  files.remove(self.dir, "ended", "pid")
  local launch = LAUNCH:format(self.program, self.words, files.own_pid())
  os.execute(("cd %s && setsid sh -c %s <&- >&- 2>&- &"):format(files.quote(self.dir), files.quote(launch)))
  local answers
  nginx.wait_for(PATIENCE, function()
    answers = self:answers()
    return answers or files.exists(self.dir .. "/ended")
  end)
  if not answers then error(self.program .. " did not start:\n" .. self:log(), 2) end
end

-- Another server may have the port: is the one that answers the one that was started?
function Server:answers()
  if not files.exists(self.dir .. "/pid") then return false end
  self.pid = files.read(self.dir .. "/pid"):match "%d+"
  return select(2, pcall(function() return self:client():info().server.process_id end)) == self.pid
end

function Server:log()
  return files.read(self.dir .. "/log")
end

--- A client of redis-lua, which raises, and knows no command of Redis 7 by itself.
function redis.connect(port, address)
  local library = require "redis"
  library.commands.waitaof = library.command "WAITAOF"
  return library.connect { host = address or "127.0.0.1", port = port, timeout = 5 }
end

function Server:client() return redis.connect(self.port) end

--- Sends a signal, "KILL" unless named, and waits until it has ended.
function Server:kill(signal)
  os.execute(("kill -%s %s 2>/dev/null"):format(signal or "KILL", self.pid))
  assert(nginx.wait_for(PATIENCE, function() return files.exists(self.dir .. "/ended") end), "Redis does not end")
end

--- Ends it, and removes its folder. A second call does nothing.
function Server:stop()
  if not self.dir then return end
  if not files.exists(self.dir .. "/ended") then self:kill() end
  os.execute("rm -rf " .. files.quote(self.dir))
  self.dir = nil
end

return redis
