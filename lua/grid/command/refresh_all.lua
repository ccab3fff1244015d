-- grid refresh-all: every session file of a folder is renewed, many at a time. Each file is begun before its request goes out,
-- and replaced as soon as its answer is there: a process that dies loses the answers in flight, and power that fails can undo the
-- last few files besides.

local again = require "grid.command.again"
local core = require "grid.core"
local errors = require "grid.errors"
local progress = require "grid.command.progress"
local refresh = require "grid.command.refresh"
local rescue = require "grid.command.rescue"
local service = require "grid.command.service"
local session_file = require "grid.command.session_file"
local shape = require "grid.shape"
local stop = require "grid.command.stop"

local BATCH = 64

local refresh_all = {
  service = true,
  arguments = { { name = "DIR" } },
  options = {
    concurrency = { value = "NUMBER", number = true, help = "so many at a time; default 64" },
    key = { value = "FILE", help = "the private key of session files that hold none" },
    ["new-key"] = { help = "session files that hold none get one" },
  },
  text = [[
Renews each DIR/*.json, see `grid refresh --help` for their form, and goes on when one fails. A file is replaced
whole as soon as its answer is there. To be fast, what was written is brought to the disk once for every 64 files:
after a loss of power, up to that many, and those in flight, may hold their old session, whose refresh token may be
spent. A program that dies loses no saved file. Of several files with one session, by a link or as a copy, the first
is renewed; the others count as failed.
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
  codes = { [stop.FAILED] = 101, [stop.USAGE] = 102, [stop.INTERRUPTED] = 103, [stop.FAULT] = 170 },
}

local MOST_COUNTED = 100

local function list_files(folder)
  local all, kind, code, message = core.file_names(folder)
  if not all then stop.failed(errors.from_core(kind, code, message)) end
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

-- What was saved reaches the disk once for every BATCH files.
function Run:sync()
  self.unsynced = 0
  local synced, kind, code, message = core.sync_folder(self.folder)
  if not synced and not self.sync_problem then self.sync_problem = errors.from_core(kind, code, message) end
end

-- -> result | nil, error, and where what came is now: fields, sentence
function Run:save(position, session, res)
  session:renew(res.kms_payload_json)
  self:remember(position, session)
  local saved, err = session:save(false)
  if not saved then return nil, err, rescue.report_unsaved(err, session) end
  self.unsynced = self.unsynced + 1
  return res
end

function Run:tell(position, session, res, err, fields, sentence)
  local name = self.names[position]
  self.progress:over(name, res, err, fields)
  if sentence then self.progress:remark(name, sentence) end
  sentence = session and err and not self.given.json and again.sentence(err, session, self.given)
  if sentence then self.progress:remark(name, sentence) end
end

-- What becomes of a file. Its session is kept until what came for it is saved; whatever raises after that costs nothing.
function Run:finish(position, res, err)
  local session = self.sessions[position]
  local fields, sentence
  if res then
    res, err, fields, sentence = self:save(position, session, res)
  else
    if session then session:close() end
    fields, sentence = rescue.report_answer(err)
  end
  self.sessions[position] = nil
  if self.unsynced == BATCH then self:sync() end
  self:tell(position, session, res, err, fields, sentence)
end

-- A session that came and that a fault kept from being saved.
function Run:rescue(position, res)
  local session = self.sessions[position]
  if not pcall(session.renew, session, res.kms_payload_json) then session.kms_payload = res.kms_payload_json end
  local _, sentence = rescue.report(session:to_text())
  self.progress:remark(self.names[position], sentence)
end

-- What raised in a handler is a fault of ours: nothing that came is lost by it, and then it is told.
function Run:look_for_faults(results)
  local first
  for position, result in ipairs(results) do
    first = first or result.problem
    if result.problem and result[1] and self.sessions[position] then self:rescue(position, result[1]) end
  end
  if first then error(first, 0) end
end

function refresh_all.run(given, screen)
  local concurrency = given.concurrency or BATCH
  if shape.count(concurrency) then stop.usage "refresh-all: --concurrency must be a whole number from 1 to 2147483647" end
  local client = service.client(given)
  local names, requests = list_files(given[1]), {}
  local run = setmetatable({
    given = given, folder = given[1], names = names, key_text = refresh.key_text(given),
    sessions = {}, refreshed = {}, unsynced = 0, progress = progress.new(screen, #names),
  }, Run)
  for position = 1, #names do requests[position] = function() return run:request(position) end end
  local results = client:refresh_sessions(requests, {
    concurrency = concurrency,
    on_result = function(position, res, err) run:finish(position, res, err) end,
  })
  if run.unsynced > 0 then run:sync() end
  run.progress:finish()
  run:look_for_faults(results)
  if run.sync_problem then stop.failed(run.sync_problem) end
  service.heed_interrupt()
  return math.min(run.progress.failed, MOST_COUNTED)
end

return refresh_all
