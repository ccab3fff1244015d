-- Helpers of the specs of the client: a sandbox and its clients, a host with a virtual
-- clock, a server of raw bytes in this process, and checks of errors, of the position of
-- misuse, and of leaks. Needs lfs, which comes with busted, and cqueues for the raw
-- server.
-- Does not know: what the client should do.

local assert = require "luassert"
local child = require "spec.support.child"
local core = require "grid.core"
local grid = require "grid"
local lfs = require "lfs"
local sandbox = require "spec.support.sandbox"

local rig = {}

--- A valid public key, whose private half is 1.
rig.KEY = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li"
  .. "/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q=="

--- The reason to skip tests of HTTP/2 | nil
rig.no_http2 = not select(2, core.libcurl()) and "this libcurl was built without HTTP/2" or nil

local major, minor = core.libcurl():match "^(%d+)%.(%d+)"
--- The version of libcurl as a number: 788 is 7.88.
rig.libcurl = major * 100 + minor

rig.UUID = "^%x%x%x%x%x%x%x%x%-%x%x%x%x%-4%x%x%x%-[89ab]%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x$"

--- A client of the sandbox: plain HTTP, no further tries. An option that is `rig.ABSENT`
--- is not given.
rig.ABSENT = {}

function rig.options(server, given)
  local options = {
    base_url = server.http, api_key = server.api_key, environment = "sandbox", ca_file = server.ca, retries = 0, timeout = 5,
  }
  for name, value in pairs(given or {}) do options[name] = value end
  for name, value in pairs(options) do
    if value == rig.ABSENT then options[name] = nil end
  end
  return options
end

-- Clients of the current test. Weak, since specs test that the collector closes a client.
local clients = setmetatable({}, { __mode = "v" })

function rig.client(server, given)
  local client = grid.new(rig.options(server, given))
  clients[#clients + 1] = client
  return client
end

--- The text of a new session's kms_payload, and its members.
function rig.session(server)
  local text = server:sessions()[1].kms_payload_json
  return text, require("grid.json").decode(text).session.Privy
end

--- For a describe block: a client for each test. -> { client, refresh(payload, options) }
function rig.refreshing(server)
  local refreshing = {}
  require("busted").before_each(function() refreshing.client = rig.client(server) end)
  function refreshing.refresh(payload, options)
    return refreshing.client:refresh_session({ encryption_public_key = rig.KEY, kms_payload = payload }, options)
  end
  return refreshing
end

--- The error of a request that is answered with this status and this body.
function rig.answered(server, client, status, body, method)
  server:fault { kind = "body", status = status, body = body }
  local res, err = client:request(method or "POST", "/anything", '{"a":1}')
  assert.is_nil(res)
  return err
end

--- Requests for client:refresh_sessions, each of a new session.
function rig.requests(server, count)
  local list = {}
  for i, session in ipairs(server:sessions { count = count }) do list[i] = rig.request(server, session.kms_payload_json) end
  return list
end

--- A request for client:refresh_session: of a new session, or of the payload given.
function rig.request(server, payload)
  return { encryption_public_key = rig.KEY, kms_payload = payload or rig.session(server) }
end

--- A new instance of a module, without state.
function rig.fresh(name)
  local loaded = package.loaded[name]
  package.loaded[name] = nil
  local module = require(name)
  package.loaded[name] = loaded
  return module
end

local function open_files()
  local count = 0
  for _ in lfs.dir "/proc/self/fd" do count = count + 1 end
  return count
end

local files_before

local function collect()
  if jit then jit.flush() end -- compiled code holds on to tables
  for _ = 1, 3 do collectgarbage() end
end

--- For before_each: counts the open files. The first call collects what other specs have
--- left; the tests of this one leave nothing.
function rig.mark()
  if not files_before then collect() end
  files_before = open_files()
end

--- Inside nginx, where other threads run meanwhile, waits until `is_so` returns true, at
--- most 5 seconds. -> its last result
function rig.await(is_so)
  local ngx, deadline = rawget(_G, "ngx"), core.now() + 5
  while ngx and not is_so() and core.now() < deadline do ngx.sleep(0.002) end
  return is_so()
end

--- The number of blocks of the C core. Inside nginx the driver keeps its engine, and its
--- timer a wakeup, for some time after the calls.
function rig.live()
  rig.await(function() return core.live() == 0 end)
  return core.live()
end

--- For after_each: asserts that no block of the C core and no further file is left.
function rig.assert_nothing_left()
  collectgarbage()
  if core.live() > 0 or open_files() > files_before then collect() end
  assert.equal(0, rig.live(), "blocks of the C core that are left")
  local files_after = open_files()
  assert.is_true(files_after <= files_before, ("open files: %d before, %d after"):format(files_before, files_after))
end

local function close_clients()
  for i, client in pairs(clients) do
    client:close()
    clients[i] = nil
  end
end

--- For a describe block: a sandbox for all its tests, which is reset before each. After
--- each test, the clients of rig.client are closed, `clean_up` is called, and leaks are
--- checked. -> the sandbox, an empty table until the first test
function rig.sandbox(clean_up)
  local busted, server = require "busted", {}
  busted.setup(function()
    local started = sandbox.share()
    for name, value in pairs(started) do server[name] = value end
    setmetatable(server, getmetatable(started))
  end)
  busted.teardown(function() server:stop() end)
  busted.before_each(function()
    server:reset()
    rig.mark()
  end)
  busted.after_each(function()
    close_clients()
    if clean_up then clean_up() end
    rig.assert_nothing_left()
  end)
  return server
end

--- Asserts fields of an error; a failure shows the whole error.
function rig.assert_error(err, expected)
  assert.is_true(grid.is_error(err), "not an error of ours: " .. tostring(err))
  for name, value in pairs(expected) do
    assert.equal(value, err[name], ("field '%s' of: %s"):format(name, tostring(err)))
  end
end

--- Runs a function that misuses the interface, and asserts that the error is raised at a
--- line of that function. -> the message without its position
function rig.misuse(action)
  local ok, message = pcall(action)
  assert.is_false(ok, "nothing was raised")
  local info = debug.getinfo(action, "S")
  local file, line, text = tostring(message):match "^(.-):(%d+): (.*)$"
  assert.equal(info.short_src, file, "raised elsewhere: " .. tostring(message))
  assert.is_true(tonumber(line) >= info.linedefined and tonumber(line) <= info.lastlinedefined,
    "raised elsewhere: " .. tostring(message))
  return text
end

--- The same, and asserts that the message contains these words.
function rig.assert_misuse(action, ...)
  local text = rig.misuse(action)
  for _, word in ipairs { ... } do
    assert.is_truthy(text:find(word, 1, true), ("'%s' is not said in: %s"):format(word, text))
  end
end

--- A host with a virtual clock, on which the time between two tries passes immediately.
--- -> host, list of its waits, function that advances the clock
function rig.virtual_host()
  local waits, now = {}, 2 ^ 20 -- far from where doubles grow coarser: there, 7 seconds later would be a little more
  local condition = { signal = function() end, is_abandoned = function() return false end }
  local host = { name = "virtual", condition = function() return condition end }
  function host.now() return now end
  function condition:wait(seconds, engine) -- luacheck: no self
    if engine:in_flight() > 0 then return engine:wait(math.min(seconds, 0.05)) end
    waits[#waits + 1] = seconds
    now = now + seconds
  end
  return host, waits, function(seconds) now = now + seconds end
end

--- For a describe block: clients on such a host. -> { host, waits: those of the current
--- test, client(options), refresh(options, options of the call) }
function rig.patient(server)
  local patient = {}
  function patient.renew() patient.host, patient.waits = rig.virtual_host() end
  require("busted").before_each(patient.renew)
  function patient.client(given)
    local options = { host = patient.host, retries = 2, timeout = 60 }
    for name, value in pairs(given or {}) do options[name] = value end
    return rig.client(server, options)
  end
  function patient.refresh(given, options)
    local client = patient.client(given)
    local res, err = client:refresh_session(rig.request(server), options)
    client:close()
    return res, err
  end
  return patient
end

-- The head and the body of one request, or nothing at the end of the connection.
local function read_request(connection)
  local head = {}
  for line in connection:lines "*L" do
    head[#head + 1] = line
    if line == "\r\n" then break end
  end
  local text = table.concat(head)
  local length = tonumber(text:match "[Cc]ontent%-[Ll]ength: (%d+)") or 0
  if text ~= "" then return text .. (length > 0 and connection:read(length) or "") end
end

local function serve(server, connection, answer)
  connection:setmode("b", "bn")
  local request = read_request(connection)
  while request do
    server.requests[#server.requests + 1] = request
    connection:write(type(answer) == "function" and answer(#server.requests) or answer)
    request = not server.once and read_request(connection)
  end
  connection:close()
end

--- A server in this process that answers each request with the same bytes, or with the
--- result of a function of its number, and then closes the connection, unless `once` is
--- set to false. It runs while a client that uses its host sleeps. -> { url, host,
--- requests, once, close, refuse: accepts no further connections }
function rig.raw_server(answer)
  local cqueues, socket = require "cqueues", require "cqueues.socket"
  local controller = cqueues.new()
  local listener = socket.listen("127.0.0.1", 0)
  local _, _, port = listener:localname()
  local server = { requests = {}, once = true, url = "http://127.0.0.1:" .. math.floor(port) }
  controller:wrap(function()
    for connection in listener:clients() do
      connection:onerror(function(_, _, code) return code end)
      controller:wrap(serve, server, connection, answer)
    end
  end)
  server.host = { name = "raw", now = core.now, sleep = function(seconds) controller:step(seconds) end }
  function server.refuse() listener:close() end
  function server.close()
    server.refuse()
    controller:close()
  end
  return server
end

--- A port of this process that accepts connections and never answers. -> port, function
--- that closes it
function rig.silent_port()
  local socket = require "cqueues.socket"
  local listener = socket.listen("127.0.0.1", 0)
  listener:listen()
  local _, _, port = listener:localname()
  return math.floor(port), function() listener:close() end
end

--- Runs Lua text in a new process of this VM. `environment` has variables to set, or
--- false to unset them. -> its output on both streams, is the exit code 0? A process that
--- hangs is killed, with its children.
function rig.run(text, environment, prefix)
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(text)
  file:close()
  local words = { "env" }
  for name, value in pairs(environment or {}) do
    if not value then table.insert(words, 2, "-u " .. name) else words[#words + 1] = ("%s='%s'"):format(name, value) end
  end
  words[#words + 1] = child.timeout .. (prefix or "") .. child.interpreter
  local pipe = assert(io.popen(table.concat(words, " ") .. " " .. path .. " 2>&1; echo ended $?"))
  local output, status = pipe:read("*a"):match "^(.*)ended (%d+)\n$"
  pipe:close()
  os.remove(path)
  return output, status == "0"
end

return rig
