-- Saves an answer that cannot be saved in its file: it may hold the only valid refresh
-- token.
-- Owns: the choice of another folder.
-- Does not know: which answers may hold a session, which is in grid.api.session.

local core = require "grid.core"
local sessions = require "grid.api.session"

local rescue = {}

-- /tmp and /dev/shm are often in memory, which has room when the disk is full.
local function folders()
  local list = {}
  for _, name in ipairs { "TMPDIR", "XDG_RUNTIME_DIR" } do
    local folder = os.getenv(name)
    if folder and folder ~= "" then list[#list + 1] = folder end
  end
  list[#list + 1] = "/tmp"
  list[#list + 1] = "/dev/shm"
  return list
end

-- Writes the text to a new file, 0600, durable. -> its path | nil
local function save(text)
  for _, folder in ipairs(folders()) do
    local path = ("%s/grid-rescue-%s.json"):format(folder, core.uuid())
    local file = core.file_begin(path)
    if file and file:commit(text) then return path end
  end
end

--- Saves the text. -> fields for scripts, a sentence for people
function rescue.save(text)
  local path = save(text)
  if path then return { rescued_to = path }, "the answer of the service is saved in " .. path end
  return { rescued_to = false }, "the answer of the service is lost: "
    .. "no file could be written in $TMPDIR, $XDG_RUNTIME_DIR, /tmp or /dev/shm"
end

--- Saves a session that could not be saved in its file. -> as rescue.save | nil: the file
--- holds the session, and only the sync failed
function rescue.save_session(err, session)
  if err.code ~= "not_durable" then return rescue.save(session:to_text()) end
end

--- Saves the raw body of an answer that was not accepted. -> as rescue.save | nil: there
--- is no body that may hold a session
function rescue.save_answer(err)
  local body = sessions.rescuable_body(err)
  if body then return rescue.save(body) end
end

return rescue
