-- A file that holds one kms_payload. Owns: reading it, and replacing it so that a reader sees the old text or the new one,
-- never half of either, and nobody else sees any.

local shell = require "spec.demo.shell"

local session_file = {}
local Replacement = { __name = "demo.replacement" }
Replacement.__index = Replacement

--- -> text, path without symbolic links | nil, message
function session_file.read(path)
  local file, message = io.open(path, "rb")
  local text = file and file:read "a"
  if file then file:close() end
  if not text then return nil, message or path .. ": not a file" end
  return text, shell.capture("readlink -f -- " .. shell.quote(path))
end

--- Takes the place for a new text beside `path`, mode 0600: to be done before a refresh token is spent, so that what comes for
--- it can be saved. -> replacement | nil, message
function session_file.prepare(path)
  local temporary = shell.capture("mktemp -- " .. shell.quote(path .. ".XXXXXX") .. " 2>/dev/null")
  if not temporary then return nil, path .. ": its folder cannot be written to" end
  return setmetatable({ path = path, temporary = temporary }, Replacement)
end

local function write(path, text)
  local file, message = io.open(path, "wb")
  if not file then return nil, message end
  local written, problem = file:write(text)
  local closed, last_problem = file:close()
  if not written or not closed then return nil, problem or last_problem end
  return shell.succeeds("sync " .. shell.quote(path)) or nil, "it does not reach the disk"
end

--- Puts a text beside the file and leaves it there. -> its path | nil, message
function Replacement:keep(text)
  local written, message = write(self.temporary, text)
  if not written then return nil, ("%s: %s"):format(self.temporary, message) end
  return self.temporary
end

--- Puts a text in the file's place. -> true | nil, message. What cannot be put there stays beside it, as far as it went.
function Replacement:commit(text)
  local kept, message = self:keep(text)
  if not kept then return nil, message end
  return os.rename(self.temporary, self.path)
end

function Replacement:abandon()
  os.remove(self.temporary)
end

return session_file
