-- One cell of the fault matrix: a session, a server in one mode, processes that meet a
-- fault, and its outcome. Cells run at once, as coroutines that wait for each other's
-- processes.
-- Owns: the folder of the store, its keeper for set-up, the processes of the cell.
-- Does not know: the faults.

local child = require "spec.support.child"
local grid = require "grid"
local process = require "spec.support.process"
local process_keeper = require "spec.keeper.process_keeper"
local records = require "grid.keeper.record"
local socket = require "socket"

local cell = {}

local SCRIPT = child.root .. "/spec/keeper/faults/worker.lua"
local VMS = process.vms() -- the processes of a cell are on each of them in turn
local PATIENCE = 60 -- seconds for anything to happen

cell.TIMEOUT = 3 -- seconds of one exchange
cell.GRACE = 600 -- seconds of mode grace: longer than a cell lasts

local Cell = { __name = "spec.cell" }
Cell.__index = Cell

--- Waits until `done()` is true; other cells go on.
function cell.wait(what, done)
  local deadline = socket.gettime() + PATIENCE
  while not done() do
    if socket.gettime() > deadline then error("it never happened: " .. what, 2) end
    coroutine.yield()
  end
end

--- Lets other cells go on for so long.
function cell.sleep(seconds)
  local deadline = socket.gettime() + seconds
  while socket.gettime() < deadline do coroutine.yield() end
end

--- Runs functions at once, at most `most` of them.
function cell.run_all(tasks, most)
  local running, following = {}, 1
  while following <= #tasks or #running > 0 do
    while #running < most and tasks[following] do
      running[#running + 1] = coroutine.create(tasks[following])
      following = following + 1
    end
    for i = #running, 1, -1 do
      local ok, problem = coroutine.resume(running[i])
      if not ok then error(problem .. "\n" .. debug.traceback(running[i]), 0) end
      if coroutine.status(running[i]) == "dead" then table.remove(running, i) end
    end
    socket.sleep(0.01)
  end
end

--- A cell with a session that was just added, and lives `life` seconds.
function cell.new(server, mode, id, path, life)
  local self = setmetatable({ server = server, mode = mode, id = id, path = path, processes = {} }, Cell)
  self.directory = path .. "/sessions"
  self.store = grid.store.file { directory = self.directory }
  local tokens = server:family()
  self.family, self.token = tokens.family, tokens.refresh_token
  tokens.family, tokens.expires_in = nil, life or tokens.expires_in
  local keeper = process_keeper.new({}, {
    store = self.store, exchange = process_keeper.exchange { url = server.token_url },
  })
  assert(keeper:add(id, tokens))
  keeper:close()
  return self
end

--- A fault of the server, for this cell's first refresh.
function Cell:fault(fault)
  fault.session = self.token
  self.server:fault(fault)
end

--- Starts a process. `words`: of worker.lua.
function Cell:start(words, options)
  local all = { folder = self.path, vm = VMS[#self.processes % #VMS + 1] }
  for name, value in pairs(options or {}) do all[name] = value end
  local arguments = {
    "folder=" .. self.directory, "url=" .. self.server.token_url, "id=" .. self.id, "reuse=" .. self.mode,
    "timeout=" .. cell.TIMEOUT,
  }
  if self.mode == "grace" then arguments[#arguments + 1] = "reuse_seconds=" .. cell.GRACE end
  for _, word in ipairs(words) do arguments[#arguments + 1] = word end
  local one = process.start(SCRIPT, arguments, all)
  self.processes[#self.processes + 1] = one
  return one
end

--- Waits for its end. -> what it printed. Raises when it printed an error.
function Cell:finish(one)
  cell.wait("the end of a process of " .. self.id, function() return one:code() end)
  if one:errors() ~= "" then error(self.id .. ": " .. one:errors(), 0) end
  return one:output()
end

function Cell:run(words, options) return self:finish(self:start(words, options)) end

--- Waits until the server has spent the first refresh token.
function Cell:wait_executed()
  cell.wait("the execution for " .. self.id, function() return not self.server:token(self.token).living end)
end

--- Starts processes that wait for `Cell:go`, and waits until all of them do.
function Cell:gather(count, start)
  assert(os.execute("mkfifo " .. child.quote(self.path .. "/go")))
  local all = {}
  for i = 1, count do all[i] = start(i) end
  for _, one in ipairs(all) do
    cell.wait("a process of " .. self.id, function() return one:output():find "ready" end)
  end
  return all
end

--- Lets them go on at once, and waits for their ends.
function Cell:go(all)
  local pipe = assert(io.open(self.path .. "/go", "r+"))
  for _, one in ipairs(all) do self:finish(one) end
  pipe:close()
end

--- What the server knows of the family.
function Cell:counts()
  return self.server:all_families()[self.family]
end

local function is_decided(output)
  return output:find "refresh ok" or output:find "reauthentication_required"
end

--- A process finds the session after the fault: a reader, then refreshes until one
--- succeeds or the session is dead.
function Cell:recover(options)
  self.before = self:counts()
  self.served = self:run({ "do=get" }, options):match "get ok" ~= nil
  for _ = 1, 8 do
    if is_decided(self:run({ "do=refresh" }, options)) then return end
  end
end

--- Is the session in the store the living one?
function Cell:is_living()
  local blob = assert(self.store:get(self.id))
  local record = assert(records.unpack(blob, self.id, process_keeper.SEAL_KEYS))
  return record.state == "live" and self.server:token(record.tokens.refresh_token).living
end

--- What became of the session, in words.
function Cell:verdict()
  local all = {}
  for i, one in ipairs(self.processes) do all[i] = one:output() end
  local said = table.concat(all)
  if not self:is_living() then return said:find "event dead" and "lost, told" or "lost" end
  local verdict = said:find "event replayed" and "kept by a replay" or "kept"
  return self.served and verdict or verdict .. ", not served meanwhile"
end

function Cell:close()
  for _, one in ipairs(self.processes) do one:close() end
end

return cell
