-- grid refresh-all: every session file of a folder is renewed, many at a time. Each file
-- is begun before its request goes out, and its session written beside it as soon as the
-- answer is there; then up to BATCH are put into place together, since to sync a file
-- costs more than to refresh it.

local again = require "grid.cli.again"
local core = require "grid.core"
local errors = require "grid.errors"
local progress = require "grid.cli.progress"
local refresh = require "grid.cli.command.refresh"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local schema = require "grid.schema"
local exit = require "grid.cli.exit"

local BATCH = 64
local LONGEST_DELAY = 0.1 -- seconds between an answer and the sync of its batch

local refresh_all = {
  service = true,
  arguments = { { name = "DIR" } },
  options = {
    concurrency = { value = "NUMBER", number = true, help = "so many at a time; default 64" },
    key = { value = "FILE", help = "the private key of session files that hold none" },
    ["new-key"] = { help = "session files that hold none get one" },
  },
  text = [[
Renews each DIR/*.json, see `grid refresh --help` for their form, and goes on when one fails. Sessions are written
beside their files and put into place up to 64 at a time, 0.1 s after the first of them came at the latest: synced,
then renamed, then the folder synced. So each file is the old or the new one, whole, even after a loss of power. A
program that dies in between leaves new sessions beside their files, as FILE.XXXXXX, and loses those in flight. Of
several files with one session, by a link or as a copy, the first is renewed; the others count as failed.
]],
  exit_codes = [[
exit codes:
  0    every file is renewed, or there was none
  1 to 100  so many files failed; 100: or more
  101  the world said no to all: the folder cannot be read or brought to the disk, or standard output not be written
  102  asked for wrongly; nothing was done
  103  interrupted (^C, SIGTERM, SIGHUP); what had been sent was waited for and saved
  170  a fault of this program
]],
  codes = { [exit.FAILED] = 101, [exit.USAGE] = 102, [exit.INTERRUPTED] = 103, [exit.FAULT] = 170 },
}

local MOST_COUNTED = 100

local function list_files(folder)
  local all, kind, code, message = core.file_names(folder)
  if not all then exit.failed(errors.from_core(kind, code, message)) end
  local names = {}
  for _, name in ipairs(all) do
    if name:find "^[^.].*%.json$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

-- One run through a folder, with its handlers for client:refresh_sessions.
local Run = {}
Run.__index = Run

-- The public key for a session. Files that lie together often share their pair, so the last one is remembered.
-- -> text | nil, error
function Run:public_key(session)
  local own = session.private_key
  if own and own == self.last_private_key then return self.last_public_key end
  local pair, err = session:pair(not own and self.key_text or nil, self.given["new-key"])
  if not pair then return nil, err end
  self.last_private_key, self.last_public_key = own, pair.public_key
  pair:close()
  return self.last_public_key
end

-- Two files may lead to one session: by a link, or as a copy. It is refreshed for the first of them, since a refresh token is
-- good for one use; what it was and what it has become are remembered. -> error, if another file had it
function Run:look_for_twin(session)
  local name = self.refreshed[session:fingerprint()]
  if not name then return nil end
  return errors.new { kind = "store", code = "same_session", message = "the same session as " .. name }
end

-- What is busy with this very run is told as such. -> session | nil, error
function Run:open(path)
  local session, err = session_file.open(path)
  if session or err.code ~= "busy" then return session, err end
  local seen = session_file.read(path)
  return nil, seen and self:look_for_twin(seen) or err
end

function Run:remember(position, session)
  self.refreshed[session:fingerprint()] = self.names[position]
end

-- The request for a file, when its turn has come | nil, error
function Run:request(position)
  if service.is_interrupted() then
    return nil, errors.new { kind = "cancelled", code = "interrupted", message = "not begun: interrupted" }
  end
  local session, err = self:open(self.folder .. "/" .. self.names[position])
  if not session then return nil, err end
  local public_key
  err = self:look_for_twin(session)
  if not err then public_key, err = self:public_key(session) end
  if not public_key then
    session:close()
    return nil, err
  end
  self:remember(position, session)
  self.sessions[position] = session
  return { encryption_public_key = public_key, kms_payload = session.kms_payload }
end

function Run:tell(position, session, res, err, fields, sentence)
  local name = self.names[position]
  self.progress:over(name, res, err, fields)
  if sentence then self.progress:remark(name, sentence) end
  sentence = session and err and not self.given.json and again.sentence(err, session, self.given)
  if sentence then self.progress:remark(name, sentence) end
end

-- What became of a session that came: its file has it, or it is rescued.
function Run:settle(entry, err)
  if err and err.code == "not_durable" then
    self.sync_problem = self.sync_problem or err
  elseif err then
    entry.res, entry.err = nil, err
    entry.fields, entry.sentence = rescue.report_unsaved(err, entry.session)
  end
  self.sessions[entry.position] = nil
end

-- Puts the sessions that were written into place, and tells of them after that: a fault
-- in the telling costs none.
function Run:place()
  local batch, sessions = self.written, {}
  self.written = {}
  for i, entry in ipairs(batch) do sessions[i] = entry.session end
  local failed = session_file.save_all(sessions)
  for i, entry in ipairs(batch) do self:settle(entry, failed[i]) end
  for _, entry in ipairs(batch) do self:tell(entry.position, entry.session, entry.res, entry.err, entry.fields, entry.sentence) end
end

-- The same where no handler of the client's stands around it: what it raised there would
-- end all calls in flight.
function Run:flush()
  local ok, problem = pcall(self.place, self)
  if not ok then self.fault = self.fault or problem end
end

-- Seconds until a batch is to be placed, whatever is in flight.
function Run:idle()
  local left = #self.written > 0 and self.due - core.now() or math.huge
  if left > 0 then return left end
  self:flush()
  return math.huge
end

-- What becomes of a file. Its session is kept until what came for it is placed: if
-- anything raises before that, it is rescued.
function Run:finish(position, res, err)
  local session = self.sessions[position]
  if not res then
    if session then session:close() end
    self.sessions[position] = nil
    return self:tell(position, session, nil, err, rescue.report_answer(err))
  end
  session:renew(res.kms_payload_json)
  self:remember(position, session)
  local entry = { position = position, session = session, res = res }
  local written
  written, err = session:write()
  if not written then
    self:settle(entry, err)
    return self:tell(position, session, nil, err, entry.fields, entry.sentence)
  end
  if #self.written == 0 then self.due = core.now() + LONGEST_DELAY end
  self.written[#self.written + 1] = entry
  if #self.written == BATCH then self:place() end
end

-- A session that came and that a fault kept from being saved.
function Run:rescue(position, res)
  local session = self.sessions[position]
  session:renew(res.kms_payload_json)
  local _, sentence = rescue.report(session:to_text())
  self.progress:remark(self.names[position], sentence)
end

-- What raised is a fault of ours: nothing that came is lost by it, and then it is told.
function Run:look_for_faults(results)
  local first = self.fault
  for position, result in ipairs(results) do
    first = first or result.problem
    if result[1] and self.sessions[position] then self:rescue(position, result[1]) end
  end
  if first then error(first, 0) end
end

function refresh_all.run(given, screen)
  local concurrency = given.concurrency or BATCH
  if schema.count(concurrency) then exit.usage "refresh-all: --concurrency must be a whole number from 1 to 2147483647" end
  local run = setmetatable({ given = given, folder = given[1], sessions = {}, written = {}, refreshed = {} }, Run)
  local client = service.client(given, function() return run:idle() end)
  local names, requests = list_files(given[1]), {}
  run.names, run.key_text, run.progress = names, refresh.key_text(given), progress.new(screen, #names)
  for position = 1, #names do requests[position] = function() return run:request(position) end end
  local results = client:refresh_sessions(requests, {
    concurrency = concurrency,
    on_result = function(position, res, err) run:finish(position, res, err) end,
  })
  run:flush()
  run.progress:finish()
  run:look_for_faults(results)
  if run.sync_problem then exit.failed(run.sync_problem) end
  service.heed_interrupt()
  return math.min(run.progress.failed, MOST_COUNTED)
end

return refresh_all
