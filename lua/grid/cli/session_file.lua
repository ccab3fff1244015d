-- Session files: a JSON object { address, kms_payload, private_key, saved_at }, or a bare
-- kms_payload.
-- Owns: the form, and when the replacement of a file begins and ends. The bytes of
-- kms_payload and of each member that is not known here are kept.
-- Does not know: the service. The text of a file holds a private key, and is never sent.

local core = require "grid.core"
local errors = require "grid.errors"
local grid = require "grid"
local json = require "grid.json"
local session_facts = require "grid.api.session_facts"
local text_file = require "grid.cli.text_file"

local session_file = {}

---@class grid.cli.Session
---@field text? string the file as it was read
---@field bare? boolean the file is a kms_payload without anything around it
---@field kms_payload string exact bytes
---@field address? string of the account
---@field private_key? string of the pair that opens the authorization keys
---@field saved_at? string
---@field others string[] the bytes of each further member, its name included
---@field has_named_key? boolean its key pair is that of --key
---@field path? string where it was opened
---@field file? table replacement that has begun: the file is locked and has a temporary file
local Session = { __name = "grid.cli.session" }
Session.__index = Session

local function fail(code, format, ...)
  return nil, errors.new { kind = "store", code = code, message = format:format(...) }
end

--- A session that was read from no file.
---@param fields? { address?: string, kms_payload: string, private_key?: string, file?: table }
---@return grid.cli.Session
function session_file.new(fields)
  local self = setmetatable(fields or {}, Session)
  self.others = {}
  return self
end

local KNOWN = {
  address = "string", private_key = "string", saved_at = "string", kms_payload = "table",
}

local function read_members(self, value, path)
  for name, kind in pairs(KNOWN) do
    local member = value[name]
    if type(member) == kind then
      self[name] = kind == "table" and json.slice(self.text, name) or member
    elseif member ~= nil and member ~= json.null then
      return fail("bad_session_file", "%s: '%s' has the wrong type", path, name)
    end
  end
  if not self.kms_payload then return fail("bad_session_file", "%s is not a session file: it has no member 'kms_payload'", path) end
  local members = json.members(self.text)
  for i = 1, #members, 2 do
    if not KNOWN[members[i]] then self.others[#self.others + 1] = members[i + 1] end
  end
  return self
end

--- The session in a text; `path` is for messages. -> grid.cli.Session | nil, error
function session_file.parse(text, path)
  local value = json.decode(text)
  if type(value) ~= "table" or json.is_array(value) then
    return fail("bad_session_file", "%s is not a session file: it holds no JSON object", path)
  end
  local self = session_file.new { text = text }
  if value.kms_payload == nil and type(value.session) == "table" then
    self.bare, self.kms_payload = true, text
    return self
  end
  return read_members(self, value, path)
end

--- The session in a file | nil, error.
function session_file.read(path)
  local text, err = text_file.read(path)
  if not text then return nil, err end
  return session_file.parse(text, path)
end

--- The session in a file whose replacement has begun, so that an answer can be saved.
--- `save` or `close` ends the replacement. -> grid.cli.Session | nil, error
function session_file.open(path)
  local file, err = text_file.begin(path)
  if not file then return nil, err end
  local text, session
  text, err = text_file.read_begun(file, path)
  if text then session, err = session_file.parse(text, path) end
  if not session then
    file:close()
    return nil, err
  end
  session.path, session.file = path, file
  return session
end

-- A new pair. Its private key is saved before the public key is sent, so that it can open
-- the answer even if the program dies after the request.
local function new_pair(self)
  local pair, err = grid.keypair()
  if not pair then return nil, err end
  self.bare, self.private_key = false, pair:export()
  local saved
  saved, err = self:save()
  if saved then self.file, err = text_file.begin(self.path) end
  if err then return nil, err end
  return pair
end

--- The pair that opens this session's authorization keys: that of `key_text`, which then
--- replaces the file's own, else the file's own. If there is neither and `may_make` is
--- true, a new pair is saved in the open file. -> pair | nil, error
function Session:pair(key_text, may_make)
  if not key_text and not self.private_key then
    if may_make then return new_pair(self) end
    return fail("no_private_key", "the session file holds no private key: "
      .. "name its file with --key, or have one made with --new-key")
  end
  self.has_named_key = key_text ~= nil
  local pair, err = grid.keypair(key_text or self.private_key)
  if not pair then
    err.message = (key_text and "the file of --key" or "private_key of the session file") .. ": " .. err.message
    return nil, err
  end
  if key_text and not self.bare then self.private_key = pair:export() end
  return pair
end

--- Replaces the kms_payload by the one to store after a refresh.
function Session:set_payload(kms_payload)
  self.kms_payload = kms_payload
end

--- The same for two files with one session. Shows no secret.
function Session:identity()
  return session_facts.identity(self.kms_payload)
end

--- The bytes of the file.
function Session:to_text()
  if self.bare then return self.kms_payload end
  local lines = {}
  for _, name in ipairs { "address", "saved_at", "private_key" } do
    if self[name] then
      lines[#lines + 1] = ('"%s":%s'):format(name, assert(json.encode(self[name])))
    end
  end
  lines[#lines + 1] = '"kms_payload":' .. self.kms_payload
  for _, member in ipairs(self.others) do lines[#lines + 1] = member end
  return "{" .. table.concat(lines, ",\n") .. "}\n"
end

local function stamped_text(self)
  self.saved_at = os.date "!%Y-%m-%dT%H:%M:%SZ"
  return self:to_text()
end

--- Commits the replacement of the file. -> true | nil, error
function Session:save()
  return errors.core_result(self.file:commit(stamped_text(self)))
end

--- Writes the temporary file, for `session_file.save_all`. -> true | nil, error
function Session:write()
  return errors.core_result(self.file:write(stamped_text(self)))
end

--- Commits the replacements of up to 64 sessions after `write`. -> errors by position
function session_file.save_all(written)
  local files, failed = {}, {}
  for i, session in ipairs(written) do files[i] = session.file end
  for i, failure in pairs(core.files_commit(files)) do
    failed[i] = errors.from_core(failure[1], failure[2], failure[3])
  end
  return failed
end

--- Ends the replacement without a change of the file.
function Session:close()
  if self.file then self.file:close() end
end

return session_file
