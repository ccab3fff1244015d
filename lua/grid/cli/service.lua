-- The client that a command calls the service with.
-- Owns: the common options, the API key's way in, and what ^C and its like do while something is in flight: it is waited for.

local core = require "grid.core"
local grid = require "grid"
local pasted = require "grid.pasted"
local session_file = require "grid.cli.session_file"
local exit = require "grid.cli.exit"

local service = {}

--- The program was asked to end.
service.is_interrupted = core.signal_caught

-- A signal ends a wait early, and the second one of its kind the program. `on_idle` tells
-- after how many seconds it is to be called again.
local function patient_host(on_idle)
  local is_told = false
  return { name = "command", now = core.now, idle = function(engine, seconds)
    engine:wait(on_idle and math.min(seconds, on_idle()) or seconds)
    if is_told or not service.is_interrupted() then return end
    is_told = true
    io.stderr:write "grid: interrupted: waiting for what is in flight; ^C again ends at once\n"
  end }
end

-- What cannot be seen is no part of a key: an escape sequence, or the bytes of another
-- encoding.
local function check_api_key(source, key)
  if core.visible(key) == key then return key end
  exit.usage("%s: the API key holds control characters, others that are not seen, or is not UTF-8", source)
end

local function first_line(text)
  return pasted.trim(text and text:match "^[^\r\n]*" or "")
end

local function read_api_key(path)
  if not path then return nil end
  local key
  if path == "-" then
    key = first_line(io.read "*l")
  else
    key = first_line(exit.unless(session_file.read_text(path)))
  end
  if key == "" then exit.usage "--api-key-file: its first line is empty" end
  return check_api_key("--api-key-file", key)
end

local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- A client for what was given. `on_idle() -> seconds` is called before each wait, at the
--- latest after the seconds that it returned last.
function service.client(given, on_idle)
  local options = {
    api_key = read_api_key(given["api-key-file"]),
    base_url = given["base-url"],
    environment = given.environment,
    ca_file = given["ca-file"] or environment "GRID_CA_FILE",
    timeout = given.timeout,
    host = patient_host(on_idle),
  }
  local made, client = pcall(grid.new, options)
  if not made then exit.usage("%s", (tostring(client):gsub("^.-:%d+: grid: [%w.]+: ", ""):gsub("^.-:%d+: grid: ", ""))) end
  if not client.options.api_key then exit.usage "no API key: use --api-key-file, or set GRID_API_KEY" end
  check_api_key("$GRID_API_KEY", client.options.api_key)
  return client
end

--- Ends the command if it was asked to end.
function service.heed_interrupt()
  if service.is_interrupted() then error(exit.new(exit.INTERRUPTED), 0) end
end

return service
