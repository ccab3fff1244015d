-- Session files: one JSON object { address, kms_payload, private_key, saved_at }, or a bare kms_payload.
-- Owns: the form, reading, and replacing whole. The kms_payload is kept as bytes, and so is every member that is not known here.
-- Knows nothing of the service. What goes out is `kms_payload`; the text of the file holds a private key and goes nowhere.

local core = require "grid.core"
local errors = require "grid.errors"
local grid = require "grid"
local json = require "grid.json"
local pasted = require "grid.pasted"

local session_file = {}

---@class grid.cli.Session
---@field text string the file as it was read
---@field bare boolean the file is a kms_payload and nothing else
---@field kms_payload string exact bytes
---@field address? string of the account
---@field private_key? string of the pair that opens the authorization keys
---@field saved_at? string
---@field others string[] members that are not ours: their bytes, names included
---@field key_is_named? boolean its pair is not the file's own
---@field path? string where it was opened
---@field file? table begun beside `path`, to take its place
local Session = { __name = "grid.cli.session" }
Session.__index = Session

-- No session is larger; what is, is something else.
local MAX_BYTES = 1024 * 1024

local function fail(code, format, ...)
  return nil, errors.new { kind = "store", code = code, message = format:format(...) }
end

local function checked(text, path)
  if not text or text == "" then return fail("not_read", "%s is empty", path) end
  if #text > MAX_BYTES then return fail("not_read", "%s is larger than %d bytes", path, MAX_BYTES) end
  return pasted.without_mark(text)
end

--- The text of a file | nil, error.
function session_file.read_text(path)
  local file, problem = io.open(path, "rb")
  local text
  if file then
    text, problem = file:read(MAX_BYTES + 1)
    file:close()
  end
  if problem then return fail("not_read", "cannot read %s", problem:find(path, 1, true) and problem or path .. ": " .. problem) end
  return checked(text, path)
end

--- A new session.
function session_file.new(address, kms_payload, private_key)
  return setmetatable({ address = address, kms_payload = kms_payload, private_key = private_key, others = {} }, Session)
end

local OURS = { address = "string", private_key = "string", saved_at = "string", kms_payload = "table" }

local function read_members(self, value, path)
  for name, kind in pairs(OURS) do
    local member = value[name]
    if type(member) == kind then
      self[name] = kind == "table" and json.slice(self.text, name) or member
    elseif member ~= nil and member ~= json.null then
      return fail("bad_session_file", "%s: '%s' is not what it should be", path, name)
    end
  end
  if not self.kms_payload then return fail("bad_session_file", "%s holds no kms_payload", path) end
  local members = json.members(self.text)
  for i = 1, #members, 2 do
    if not OURS[members[i]] then self.others[#self.others + 1] = members[i + 1] end
  end
  return self
end

--- The session in a text; `path` is for messages. -> grid.cli.Session | nil, error
function session_file.parse(text, path)
  local value = json.decode(text)
  if type(value) ~= "table" or value[1] ~= nil then
    return fail("bad_session_file", "%s is not a session file: it holds no JSON object", path)
  end
  local self = setmetatable({ text = text, others = {} }, Session)
  if value.kms_payload == nil and type(value.session) == "table" then
    self.bare, self.kms_payload = true, text
    return self
  end
  return read_members(self, value, path)
end

--- The session in a file | nil, error.
function session_file.read(path)
  local text, err = session_file.read_text(path)
  if not text then return nil, err end
  return session_file.parse(text, path)
end

--- A new file beside `path`, which proves that it can be replaced. -> file with
--- `commit(text)` and `close` | nil, error
function session_file.begin(path)
  local file, kind, code, message = core.file_begin(path)
  if not file then return nil, errors.from_core(kind, code, message) end
  return file
end

-- The session in a file that is begun | nil, error
local function read_begun(file, path)
  local text, kind, code, message = file:read(MAX_BYTES + 1)
  if not text then return nil, errors.from_core(kind, code, message) end
  local err
  text, err = checked(text, path)
  if not text then return nil, err end
  return session_file.parse(text, path)
end

--- The session in a file that is begun first, so that what comes for it can be saved: to be ended by `save` or `close`.
--- -> grid.cli.Session | nil, error
function session_file.open(path)
  local file, err = session_file.begin(path)
  if not file then return nil, err end
  local session
  session, err = read_begun(file, path)
  if not session then
    file:close()
    return nil, err
  end
  session.path, session.file = path, file
  return session
end

-- A pair whose private key is in the open file before anything can be sealed to it: whatever happens later, it opens what comes.
local function new_pair(self)
  local pair, err = grid.keypair()
  if not pair then return nil, err end
  self.bare, self.private_key = false, pair:export()
  local saved
  saved, err = self:save()
  if saved then self.file, err = session_file.begin(self.path) end
  if err then return nil, err end
  return pair
end

--- The pair that opens this session's authorization keys; the key of `key_text` takes the place of the file's own. Where there is
--- neither, and with `may_make`, a new one, which the open file holds from then on. -> pair | nil, error
function Session:pair(key_text, may_make)
  if not key_text and not self.private_key then
    if may_make then return new_pair(self) end
    return fail("no_private_key", "the session file holds no private key: name its file with --key, or have one made by --new-key")
  end
  self.key_is_named = key_text ~= nil
  local pair, err = grid.keypair(key_text or self.private_key)
  if pair and key_text and not self.bare then self.private_key = pair:export() end
  return pair, err
end

--- Takes the kms_payload that is to be stored in place of this one.
function Session:renew(kms_payload)
  self.kms_payload = kms_payload
end

--- What two files with the same session have in common: its refresh token, or all of it where there is none. Shows neither.
function Session:fingerprint()
  local raw = json.slice(self.kms_payload, "session", "Privy", "refresh_token")
  local token = raw and json.decode(raw)
  return core.fingerprint(type(token) == "string" and token ~= "" and token or self.kms_payload)
end

--- The bytes of the file.
function Session:to_text()
  if self.bare then return self.kms_payload end
  local lines = {}
  for _, name in ipairs { "address", "saved_at", "private_key" } do
    if self[name] then lines[#lines + 1] = ('"%s":%s'):format(name, assert(json.encode(self[name]))) end
  end
  lines[#lines + 1] = '"kms_payload":' .. self.kms_payload
  for _, member in ipairs(self.others) do lines[#lines + 1] = member end
  return "{" .. table.concat(lines, ",\n") .. "}\n"
end

local function stamp(self)
  self.saved_at = os.date "!%Y-%m-%dT%H:%M:%SZ"
  return self:to_text()
end

--- Puts the session in the place of what its file was begun for. -> true | nil, error
function Session:save()
  local saved, kind, code, message = self.file:commit(stamp(self))
  if not saved then return nil, errors.from_core(kind, code, message) end
  return true
end

--- Writes the session beside its file, for `session_file.save_all`. -> true | nil, error
function Session:write()
  local written, kind, code, message = self.file:write(stamp(self))
  if not written then return nil, errors.from_core(kind, code, message) end
  return true
end

--- Puts up to 64 sessions that were written into place. -> errors by position
function session_file.save_all(sessions)
  local files, failed = {}, {}
  for i, session in ipairs(sessions) do files[i] = session.file end
  for i, failure in pairs(core.files_commit(files)) do failed[i] = errors.from_core(failure[1], failure[2], failure[3]) end
  return failed
end

--- The file stays as it is.
function Session:close()
  if self.file then self.file:close() end
end

return session_file
