-- Starts the server of fault_server.mjs, or that of frame_server.mjs, for a spec, reads
-- the list of executed requests, and stops it. Needs a shell, node, the curl command and
-- luasocket. The server has a session of its own: after a signal to the process group of
-- the spec it still removes its certificate.
-- Does not know: the library.

local here = debug.getinfo(1, "S").source:match "^@(.*)support/[^/]*$" or "spec/"
local files = require "spec.support.files"
local http = require "socket.http"
local json = require "spec.sandbox.json"
local ready = require "spec.support.ready"

local fault_server = {}
local Server = { __name = "spec.fault_server" }
Server.__index = Server

--- -> fields http, https and more (base addresses), ca (file), pid
function fault_server.start(program)
  -- In the background, so that closing the pipe does not wait for the server: after a
  -- failed test the collector closes it.
  local command = "setsid node '%ssupport/%s.mjs' --watch %s &"
  local pipe = assert(io.popen(command:format(here, program or "fault_server", files.own_pid())))
  local self = setmetatable({ pipe = pipe }, Server)
  local line = pipe:read "*l"
  if not line then
    pipe:close()
    error("the fault server did not start", 2)
  end
  for name, value in pairs(ready(line)) do self[name] = value end
  return self
end

-- A process for each of these would take more time than the answer.
local function control(self, path, body)
  local answer, status = http.request(self.http .. path, body)
  assert(status == 200, "the fault server did not answer")
  return answer
end

--- What was executed under this name: a list of { connection, position, version, method,
--- key }.
function Server:executions(name)
  return json.decode(control(self, "/executions?case=" .. name))
end

--- Performs the acts that faults such as `retire` hold back, and waits until the client
--- has received them.
function Server:release()
  assert("{}" == control(self, "/release"), "the fault server released nothing")
end

--- Of frame_server.mjs: what requests to `early` meet from now on.
function Server:set_early(script)
  control(self, "/early", script)
end

--- The curl command posts to each of these addresses in turn, over one connection if it
--- can. libcurl may repeat requests here.
function Server:post_with_curl(options, ...)
  os.execute(("curl -s --max-time 20 --cacert '%s' -d '{}' %s '%s' >/dev/null 2>&1"):format(
    self.ca, options, table.concat({ ... }, "' '")))
end

--- Ends the server and waits for it. Idempotent.
function Server:stop()
  if not self.pipe then return end
  os.execute("kill " .. self.pid)
  self.pipe:read "*a" -- until the server has ended
  self.pipe:close()
  self.pipe = nil
end

return fault_server
