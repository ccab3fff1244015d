-- One run of grid refresh-all: from the names of files to refreshed session files. The
-- replacement of a file begins before its request is sent, and the session is written to
-- the temporary file when the answer arrives. Up to BATCH temporary files replace their
-- files together, since the sync of a file takes longer than a refresh.
-- Owns: the sessions in flight, the batch, and which sessions were refreshed already.
-- Does not know: how files are chosen, exit codes.

local core = require "grid.core"
local errors = require "grid.errors"
local repetition = require "grid.cli.repetition"
local rescue = require "grid.cli.rescue"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"

local runs = {}

local BATCH = 64
local LONGEST_DELAY = 0.1 -- seconds from an answer to the sync of its batch

-- A file of the folder: { name, session }. `session` is set from the request until its
-- answer is saved or its request has failed.

---@class grid.cli.Run
---@field given table the options of the command
---@field files table[] in the order of their requests
---@field written table[] { file, res } of the batch: written, and not saved yet
---@field due? number when the batch is saved at the latest
---@field refreshed table<string, string> identity of a session, before and after its refresh, to file name
---@field sync_problem? grid.Error a folder that could not be synced
---@field fault? any the first error that a commit raised
local Run = {}
Run.__index = Run

---@return grid.cli.Run
function runs.new(given, names, key_text, progress)
  local files = {}
  for position, name in ipairs(names) do files[position] = { name = name } end
  return setmetatable({
    given = given, files = files, key_text = key_text, progress = progress,
    written = {}, refreshed = {},
  }, Run)
end

-- The public key for a session. The last pair is remembered: files of one folder often
-- share it. -> text | nil, error
local function public_key_of(self, session)
  local own = session.private_key
  if own and own == self.last_private_key then return self.last_public_key end
  local pair, err = session:pair(not own and self.key_text or nil, self.given["new-key"])
  if not pair then return nil, err end
  self.last_private_key, self.last_public_key = own, pair.public_key
  pair:close()
  return self.last_public_key
end

-- A refresh token is valid for one use, so that of two files with one session, a link or
-- a copy, only the first is refreshed. -> error | nil: no other file had this session
local function check_duplicate(self, session)
  local name = self.refreshed[session:identity()]
  if not name then return nil end
  return errors.new {
    kind = "store", code = "same_session",
    message = ("the file holds the session of %s, which is refreshed there: keep one of the two files"):format(name),
  }
end

-- A file that is locked by this run itself is reported as a duplicate. -> session | nil,
-- error
local function open(self, path)
  local session, err = session_file.open(path)
  if session or err.code ~= "busy" then return session, err end
  local seen = session_file.read(path)
  return nil, seen and check_duplicate(self, seen) or err
end

-- The request for a file, when a call is free for it. -> request | nil, error
local function request_for(self, file)
  if service.is_interrupted() then
    return nil, errors.new {
      kind = "cancelled", code = "interrupted", message = "the command was interrupted before this refresh began",
    }
  end
  local session, err = open(self, self.given[1] .. "/" .. file.name)
  if not session then return nil, err end
  local public_key
  err = check_duplicate(self, session)
  if not err then public_key, err = public_key_of(self, session) end
  if not public_key then
    session:close()
    return nil, err
  end
  self.refreshed[session:identity()] = file.name
  file.session = session
  return { encryption_public_key = public_key, kms_payload = session.kms_payload }
end

-- `ended` is the result of a file: { file, res, err, fields, sentence }.
local function report(self, ended)
  local name = ended.file.name
  self.progress:count(name, ended.res, ended.err, ended.fields)
  if ended.sentence then self.progress:remark(name, ended.sentence) end
end

local function fail_request(self, file, err)
  local session, ended = file.session, { file = file, err = err }
  file.session = nil
  if session then session:close() end
  ended.fields, ended.sentence = rescue.save_answer(err)
  report(self, ended)
  local sentence = session and not self.given.json and repetition.sentence(err, session, self.given)
  if sentence then self.progress:remark(file.name, sentence) end
end

-- Ends the work on a session whose answer arrived: it is saved in its file, or in another
-- one if `err` says that it was not. -> what to report
local function settle(self, file, res, err)
  local ended = { file = file, res = res }
  if err and err.code == "not_durable" then
    self.sync_problem = self.sync_problem or err
  elseif err then
    ended.res, ended.err = nil, err
    ended.fields, ended.sentence = rescue.save_session(err, file.session)
  end
  file.session = nil
  return ended
end

-- Replaces the files of the batch. The reports follow when all sessions are settled, so
-- that an error in a report loses no session.
local function commit(self)
  local batch, sessions, ended = self.written, {}, {}
  self.written = {}
  for i, entry in ipairs(batch) do sessions[i] = entry.file.session end
  local failed = session_file.save_all(sessions)
  for i, entry in ipairs(batch) do ended[i] = settle(self, entry.file, entry.res, failed[i]) end
  for _, one in ipairs(ended) do report(self, one) end
end

-- The same outside of on_result, where an error would end all calls in flight.
local function commit_protected(self)
  local ok, problem = pcall(commit, self)
  if not ok then self.fault = self.fault or problem end
end

--- Seconds until the batch is due. A batch that is due is committed.
function Run:idle()
  local left = #self.written > 0 and self.due - core.now() or math.huge
  if left > 0 then return left end
  commit_protected(self)
  return math.huge
end

-- The end of a call.
local function finish(self, file, res, err)
  if not res then return fail_request(self, file, err) end
  local session = file.session
  session:set_payload(res.kms_payload_json)
  self.refreshed[session:identity()] = file.name
  local written, problem = session:write()
  if not written then return report(self, settle(self, file, res, problem)) end
  if #self.written == 0 then self.due = core.now() + LONGEST_DELAY end
  self.written[#self.written + 1] = { file = file, res = res }
  if #self.written == BATCH then commit(self) end
end

-- Saves each session whose answer arrived and which an internal error kept from being
-- saved, then raises that error.
local function check_faults(self, results)
  local first = self.fault
  for position, result in ipairs(results) do
    local file, res = self.files[position], result[1]
    first = first or result.problem
    if res and file.session then
      file.session:set_payload(res.kms_payload_json)
      local _, sentence = rescue.save(file.session:to_text())
      self.progress:remark(file.name, sentence)
    end
  end
  if first then error(first, 0) end
end

--- Refreshes all files.
function Run:refresh(client, concurrency)
  local requests = {}
  for position, file in ipairs(self.files) do
    requests[position] = function() return request_for(self, file) end
  end
  local results = client:refresh_sessions(requests, {
    concurrency = concurrency,
    on_result = function(position, res, err) finish(self, self.files[position], res, err) end,
  })
  commit_protected(self)
  self.progress:finish()
  check_faults(self, results)
end

return runs
