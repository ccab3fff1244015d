-- The client with which a command calls the service.
-- Owns: the options that all such commands share, the reading of the API key, and the
-- signals: after the first signal the command waits for the calls in flight.
-- Does not know: sessions; what a command calls.

local blocking = require "grid.host.blocking"
local core = require "grid.core"
local exit = require "grid.cli.exit"
local grid = require "grid"
local pasted = require "grid.pasted"
local text_file = require "grid.cli.text_file"

local service = {}

--- Has the program received SIGINT (^C), SIGTERM or SIGHUP?
service.is_interrupted = core.signal_caught

-- The host of plain Lua with a wait that shows signals. The first signal ends a wait of
-- the engine early; a second signal of the same kind ends the program. `on_idle` is
-- described at service.client.
local function signal_host(on_idle)
  local is_announced = false
  local condition = blocking.condition()
  function condition:wait(seconds, engine) -- luacheck: no self
    engine:wait(on_idle and math.min(seconds, on_idle()) or seconds)
    if is_announced or not service.is_interrupted() then return end
    is_announced = true
    io.stderr:write "grid: interrupted: waiting for the calls in flight; ^C again ends at once\n"
  end
  return { name = "command", now = core.now, condition = function() return condition end }
end

-- An escape sequence, or bytes of another encoding, are not part of an API key.
local function check_api_key(source, key)
  if core.visible(key) == key then return key end
  exit.usage("%s: the API key holds control or invisible characters, or is not UTF-8", source)
end

local function first_line(text)
  return pasted.trim(text and text:match "^[^\r\n]*" or "")
end

local function read_api_key(path)
  if not path then return nil end
  local text
  if path == "-" then text = io.read "*l" else text = exit.assert(text_file.read(path)) end
  local key = first_line(text)
  if key == "" then exit.usage "--api-key-file: its first line is empty" end
  return check_api_key("--api-key-file", key)
end

local function environment(name)
  local value = os.getenv(name)
  return value ~= "" and value or nil
end

--- The message of a raised misuse, without its position and function.
function service.message_of(problem)
  return (tostring(problem):gsub("^.-:%d+: grid: [%w.]+: ", ""):gsub("^.-:%d+: grid: ", ""))
end

--- A client for the options of the command. `on_idle() -> seconds` is called before each
--- wait, and again after the returned seconds at the latest.
function service.client(given, on_idle)
  local made, client = pcall(grid.new, {
    api_key = read_api_key(given["api-key-file"]),
    base_url = given["base-url"],
    environment = given.environment,
    ca_file = given["ca-file"] or environment "GRID_CA_FILE",
    timeout = given.timeout,
    host = signal_host(on_idle),
  })
  if not made then exit.usage("%s", service.message_of(client)) end
  if not client.options.api_key then
    exit.usage "no API key: use --api-key-file, or set GRID_API_KEY"
  end
  check_api_key("$GRID_API_KEY", client.options.api_key)
  return client
end

--- Ends the command if the program was interrupted.
function service.exit_if_interrupted()
  if service.is_interrupted() then error(exit.new(exit.INTERRUPTED), 0) end
end

return service
