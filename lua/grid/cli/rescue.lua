-- What came from the service and could not be saved where it belongs: it may be the only living refresh token.
-- Owns: the search for another place. Nothing is printed but that place.

local core = require "grid.core"
local output = require "grid.cli.output"
local exit = require "grid.cli.exit"

local rescue = {}

-- A full disk is the likeliest reason to be here, and the last two are often memory.
local function places()
  local list = {}
  for _, name in ipairs { "TMPDIR", "XDG_RUNTIME_DIR" } do
    local folder = os.getenv(name)
    if folder and folder ~= "" then list[#list + 1] = folder end
  end
  list[#list + 1] = "/tmp"
  list[#list + 1] = "/dev/shm"
  return list
end

--- Puts the text into a new file, 0600, durable. -> its path | nil
function rescue.keep(text)
  for _, folder in ipairs(places()) do
    local path = ("%s/grid-rescue-%s.json"):format(folder, core.uuid())
    local file = core.file_begin(path)
    if file and file:commit(text) then return path end
  end
end

--- Fields and a sentence that tell where it is.
function rescue.report(text)
  local path = rescue.keep(text)
  if path then return { rescued_to = path }, "what the service answered is in " .. path end
  return { rescued_to = false }, "what the service answered is lost: there was no place for it"
end

--- Of a session that its file did not take: nothing where it has, and only may not outlive a loss of power.
function rescue.report_unsaved(err, session)
  if err.code ~= "not_durable" then return rescue.report(session:to_text()) end
end

--- The raw body of an answer that made no sense, if it may hold a session. -> fields, sentence | nothing
function rescue.report_answer(err)
  local body = type(err) == "table" and err.body
  if body and body ~= "" and err.status and err.status < 300 then return rescue.report(body) end
end

--- Ends the command.
function rescue.fail(err, fields, sentence)
  if sentence then output.tell("grid: " .. sentence) end
  exit.failed(err, fields)
end

return rescue
