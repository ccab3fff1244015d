-- Starts a real nginx with ngx_http_lua for a spec, sends requests, and ends it. Needs a
-- shell and the curl command, works as any user, and uses no system service. The library
-- under test is the one of this tree, in the build for LuaJIT. An nginx also ends when
-- the process that started it has ended.
-- Owns: a folder with the configuration and the error log, a free loopback port, and the
-- processes, until `stop`.
-- Does not know: the locations.

local child = require "spec.support.child"
local files = require "spec.support.files"
local socket = require "socket"

local nginx = {}
local Server = { __name = "spec.nginx" }
Server.__index = Server

local FIRST_PORT, PORTS = 10240, 22000 -- below those that the kernel gives to outgoing connections
local ATTEMPTS = 20
local PATIENCE = 20 -- seconds for a start or an end

local run = child.capture

local found

-- The nginx to start: its path, the lines of a configuration that load its modules, and,
-- for one with a LuaJIT of its own, the module paths of this machine's LuaJIT.
local function program()
  if not found then
    local text = run(files.quote(child.root .. "/spec/support/nginx-program"))
    local path, load = text:match "^([^\n]+)\n?(.*)$"
    if not path then error("there is no nginx to start", 0) end
    found = {
      path = path, load = load,
      lua_path = child.absolute(run "luajit -e 'io.write(package.path)'"),
      lua_cpath = child.absolute(run "luajit -e 'io.write(package.cpath)'"),
    }
  end
  return found
end

--- Does nginx, or a module that it loads, contain the name of a directive or of a module?
function nginx.has(name)
  local paths = files.quote(program().path)
  for path in program().load:gmatch '"([^"]+)"' do paths = paths .. " " .. files.quote(path) end
  return run("cat " .. paths .. " | grep -c " .. files.quote(name)) ~= "0"
end

--- A port outside the range of outgoing connections, which only a server may have taken.
function nginx.random_port()
  return FIRST_PORT + tonumber(run "od -An -N2 -tu2 /dev/urandom") % PORTS
end

-- With reuseport, nginx takes a port that another nginx serves, and gets some of its
-- connections.
local function free_port()
  local port, connection
  repeat
    if connection then connection:close() end
    port = nginx.random_port()
    connection = socket.connect("127.0.0.1", port)
  until not connection
  return port
end

local MAIN = [[
@LOAD@
@USER@
daemon off;
master_process @MASTER@;
worker_processes @WORKERS@;
pid "@DIR@/nginx.pid";
error_log "@DIR@/error.log" @LOG_LEVEL@;
@ENV@
@main@
events { worker_connections 4096; }
http {
    access_log off;
    lua_package_path "@ROOT@/lua/?.lua;@ROOT@/lua/?/init.lua;@ROOT@/?.lua;;@LUA_PATH@";
    lua_package_cpath "@BUILD@/?.so;;@LUA_CPATH@";
    lua_code_cache @CODE_CACHE@;
    lua_check_client_abort @ABORT@;
    client_body_temp_path "@DIR@/body";
    proxy_temp_path "@DIR@/proxy";
    fastcgi_temp_path "@DIR@/fastcgi";
    uwsgi_temp_path "@DIR@/uwsgi";
    scgi_temp_path "@DIR@/scgi";
    @http@
    server {
        listen 127.0.0.1:@PORT@ @listen@;
        @server@
        location = /ready { return 200 ready; }
        @locations@
    }
}
]]

local function env_lines(env)
  local lines = {}
  for name in pairs(env or {}) do lines[#lines + 1] = "env " .. name .. ";" end
  return table.concat(lines, "\n")
end

local function on_off(value) return value and "on" or "off" end

-- The folder of the module for LuaJIT: beside the one that this process would load.
local function build_folder()
  local module = package.searchpath("grid.core", package.cpath)
  local build = module and module:match "^(.*)/[^/]*/grid/core%.so$"
  return child.absolute(build or "build") .. "/luajit"
end

-- The name of the folder for temporary files may hold blanks.
local function assert_quoted(text, folder)
  for line in text:gmatch "[^\n]+" do
    local unquoted = line:gsub('"[^"]*"', ""):gsub("'[^']*'", "")
    if unquoted:find(folder, 1, true) then error("a path without quotes in nginx.conf: " .. line, 0) end
  end
end

-- The configuration as text. Snippets may name @PORT@, @DIR@ and @ROOT@ themselves.
local function configuration(self, options)
  local here = child.root
  local values = {
    LOAD = program().load,
    LUA_PATH = program().lua_path, LUA_CPATH = program().lua_cpath,
    USER = run "id -u" == "0" and "user root;" or "",
    MASTER = on_off(options.master ~= false),
    WORKERS = tostring(options.workers or 1),
    LOG_LEVEL = options.log_level or "notice",
    ENV = env_lines(options.env),
    CODE_CACHE = on_off(options.code_cache ~= false),
    ABORT = on_off(options.check_client_abort),
    BUILD = options.build and here .. "/" .. options.build or build_folder(),
    ROOT = here, DIR = self.dir, PORT = tostring(self.port),
  }
  for _, name in ipairs { "main", "http", "listen", "server", "locations" } do
    local snippet = options[name] or ""
    values[name] = snippet:gsub("@([%u_]+)@", values)
  end
  local text = (options.conf or MAIN):gsub("@([%a_]+)@", values)
  assert_quoted(text, self.dir:match "^.*/")
  return text
end

-- Runs nginx and writes its exit code to a file. When our process has ended, the script
-- ends nginx and removes the folder: it has a session of its own, so that no signal to
-- our process group reaches it. The variable NGINX, which names the program for us, names
-- sockets for nginx.
local LAUNCH = [[
unset NGINX
@ENV@ @UNDER@ "@NGINX@" -p "@DIR@" -c "@DIR@/nginx.conf" >"@DIR@/stdout" 2>"@DIR@/stderr" &
pid=$!
echo $pid >"@DIR@/started"
( while kill -0 @WATCH@ && kill -0 $pid; do sleep 0.5; done; kill $pid ) 2>/dev/null &
wait $pid
echo $? >"@DIR@/ended"
kill -0 @WATCH@ || rm -rf "@DIR@"
]]

local function launch(self, options)
  local words = {}
  for name, value in pairs(options.env or {}) do words[#words + 1] = name .. "=" .. files.quote(value) end
  files.write(self.dir .. "/launch", (LAUNCH:gsub("@(%u+)@", {
    ENV = #words > 0 and "env " .. table.concat(words, " ") or "",
    UNDER = options.under or "",
    NGINX = program().path,
    DIR = self.dir,
    WATCH = files.own_pid(),
  })))
  os.execute("setsid sh " .. files.quote(self.dir .. "/launch") .. " <&- >&- 2>/dev/null &")
end

local function wait_for(seconds, condition)
  for _ = 1, seconds * 10 do
    if condition() then return true end
    socket.sleep(0.1)
  end
  return false
end

-- -> true: it serves | false: it has ended | nil: neither
local function is_up(self)
  local answered, ended
  wait_for(PATIENCE, function()
    ended = files.exists(self.dir .. "/ended")
    answered = not ended and files.exists(self.dir .. "/nginx.pid")
      and select(2, self:get("/ready", "--max-time 5")) ~= 0
    return answered or ended
  end)
  return answered
end

---@class (exact) spec.NginxOptions
---@field conf? string  a whole configuration in place of the usual one
---@field main? string  directives of the outermost level, and so on inwards; @PORT@, @DIR@ and @ROOT@ are filled in
---@field http? string
---@field listen? string  further words of the listen directive
---@field server? string
---@field locations? string
---@field env? table<string, string>  variables to set, and to let workers see
---@field workers? integer  1
---@field master? boolean  false: one process that is master and worker
---@field code_cache? boolean  true
---@field check_client_abort? boolean  false
---@field build? string  where grid/core.so is
---@field under? string  a command to run nginx under
---@field log_level? string

---@param options spec.NginxOptions
---@return table  fields http (base address), port, pid, dir
function nginx.start(options)
  local self = setmetatable({ dir = run "mktemp -d \"${TMPDIR:-/tmp}/grid-nginx.XXXXXX\"" }, Server)
  for attempt = 1, ATTEMPTS do
    self.port = free_port()
    self.http = "http://127.0.0.1:" .. self.port
    files.remove(self.dir, "ended", "started", "nginx.pid", "error.log")
    files.write(self.dir .. "/nginx.conf", configuration(self, options))
    launch(self, options)
    if is_up(self) then
      self.pid = files.read(self.dir .. "/nginx.pid"):match "%d+"
      return self
    end
    local problem = files.read(self.dir .. "/stderr") .. self:log()
    if attempt == ATTEMPTS or not problem:find("Address already in use", 1, true) then
      self:stop()
      error("nginx did not start: " .. problem, 2)
    end
    self:signal "KILL"
    wait_for(PATIENCE, function() return files.exists(self.dir .. "/ended") end)
  end
end

local CurlRequest = {}
CurlRequest.__index = CurlRequest

local function begin_with_curl(address, options)
  local command = "curl -s -k --max-time 60 %s -w '\\n%%{http_code}' '%s'"
  return setmetatable({ pipe = assert(io.popen(command:format(options, address))) }, CurlRequest)
end

function CurlRequest:finish()
  local text = self.pipe:read "*a"
  self.pipe:close()
  local body, status = text:match "^(.*)\n(%d+)$"
  return body, tonumber(status)
end

-- A request without a process of its own, which most requests do not need.
local PlainRequest = {}
PlainRequest.__index = PlainRequest

local function begin_plainly(port, path, seconds)
  local connection = socket.tcp()
  connection:settimeout(seconds)
  if connection:connect("127.0.0.1", port) then
    connection:send(("GET %s HTTP/1.0\r\nHost: 127.0.0.1:%d\r\n\r\n"):format(path, port))
  end
  return setmetatable({ connection = connection, deadline = socket.gettime() + seconds }, PlainRequest)
end

function PlainRequest:finish()
  self.connection:settimeout(math.max(self.deadline - socket.gettime(), 0), "t")
  local text, _, part = self.connection:receive "*a"
  self.connection:close()
  local status, body = (text or part or ""):match "^HTTP/1%.%d (%d+).-\r\n\r\n(.*)$"
  return body or "", tonumber(status) or 0
end

--- Sends a request and returns immediately; the result has `finish`, which waits. ->
--- body, status, 0 without an answer. `options` are those of the curl command.
function Server:begin(path, options)
  local seconds = options and options:match "^%-%-max%-time ([%d.]+)$" or not options and 60
  if seconds and path:sub(1, 1) == "/" then return begin_plainly(self.port, path, tonumber(seconds)) end
  return begin_with_curl(path:find "^https?:" and path or self.http .. path, options or "")
end

--- -> body, status
function Server:get(path, options) return self:begin(path, options):finish() end

function Server:log() return files.read(self.dir .. "/error.log") end

--- Sends a signal to the master: "HUP", "QUIT", …
function Server:signal(name)
  self.has_reloaded = self.has_reloaded or name == "HUP"
  local pid = self.pid or files.read(self.dir .. "/started"):match "%d+"
  if pid then os.execute(("kill -%s %s 2>/dev/null"):format(name, pid)) end
end

--- The pids of the workers.
function Server:workers()
  local pids = {}
  for pid in run("pgrep -P " .. self.pid):gmatch "%d+" do pids[#pids + 1] = pid end
  return pids
end

--- Waits until the workers with these pids have ended, and as many others run. -> boolean
function Server:has_replaced(before)
  local is_old = {}
  for _, pid in ipairs(before) do is_old[pid] = true end
  return wait_for(10, function()
    local now = self:workers()
    for _, pid in ipairs(now) do
      if is_old[pid] then return false end
    end
    return #now == #before
  end)
end

--- Waits until it has ended. -> exit code | nil: it has not
function Server:wait()
  local path = self.dir .. "/ended"
  wait_for(PATIENCE, function() return files.exists(path) and files.read(path):find "\n" end)
  return tonumber(files.exists(path) and files.read(path) or nil)
end

--- Ends it and removes its folder. -> exit code, the error log. Idempotent. After a
--- reload it ends by QUIT: TERM would end a worker that exits already, and nginx would
--- log each socket that is open there.
function Server:stop()
  if not self.dir then return end
  if not files.exists(self.dir .. "/ended") then self:signal(self.has_reloaded and "QUIT" or "TERM") end
  local code, log = self:wait(), self:log()
  if not code then self:signal "KILL" end
  os.execute("rm -rf " .. files.quote(self.dir))
  self.dir = nil
  return code, log
end

--- The lines of the log that report a crash, a leak or an impossible state.
function nginx.alarms(log)
  local lines = {}
  for line in log:gmatch "[^\n]+" do
    if line:find "%[alert%]" or line:find "%[crit%]" or line:find "%[emerg%]" or line:find "exited on signal" then
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

nginx.wait_for = wait_for

return nginx
