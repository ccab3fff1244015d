-- The command `grid`: from its words to an exit code.
-- Owns: the list of commands, the common options, the exit codes, and what happens to an error that nobody caught.
-- Knows nothing of what each command does.

local arguments = require "grid.cli.arguments"
local grid = require "grid"
local argument = require "grid.argument"
local output = require "grid.cli.output"
local exit = require "grid.cli.exit"

local command = {}

-- In the order in which a session meets them. A command's module is loaded when it is asked for.
local COMMANDS = {
  { "keygen", "make a key pair" },
  { "login", "log in by a one-time password, and keep the session in a file" },
  { "refresh", "renew the session in a file" },
  { "inspect", "what is in a session file, without its secrets" },
  { "sign", "sign a prepared transaction" },
  { "move-signer", "hand an account to a signer of your own: the way off Grid" },
  { "refresh-all", "renew every session file of a folder" },
}

local modules = {}
for _, entry in ipairs(COMMANDS) do modules[entry[1]] = "grid.cli.command." .. entry[1]:gsub("-", "_") end

local GENERAL = {
  help = { help = "this text" },
  version = { help = "the version" },
  json = { help = "for scripts: one JSON object a line on standard output, never a secret" },
}

local SERVICE = {
  ["api-key-file"] = { value = "FILE", help = "holds the API key; - reads one line of standard input; default $GRID_API_KEY" },
  ["base-url"] = { value = "URL", help = "default $GRID_BASE_URL, else https://grid.squads.xyz" },
  ["environment"] = { value = "NAME", help = "production, sandbox, mainnet or devnet; default $GRID_ENVIRONMENT, else production" },
  ["ca-file"] = { value = "FILE", help = "the authorities to trust, PEM; default $GRID_CA_FILE, else the system's" },
  ["timeout"] = { value = "SECONDS", number = true, help = "for a whole call; default 10" },
}

local EXIT_CODES = [[
exit codes:
  0  done
  1  the world said no: the service, the network, a file, standard output
  2  asked for wrongly; nothing was done
  3  interrupted (^C, SIGTERM, SIGHUP); what had been sent was waited for and saved
  70 a fault of this program
]]

local function overview()
  local lines = { "usage: grid COMMAND [OPTIONS]\n" }
  for _, entry in ipairs(COMMANDS) do lines[#lines + 1] = ("  %-14s%s"):format(entry[1], entry[2]) end
  lines[#lines + 1] = "\n`grid COMMAND --help` tells more. Keys and codes come from files, the environment or standard input,\n"
    .. "never from the command line. Grid ends: most of it on 2026-12-15, the rest on 2027-02-05.\n"
  lines[#lines + 1] = EXIT_CODES
  return table.concat(lines, "\n")
end

-- A command as its module declares it, with the options that it shares with others.
local function load(name)
  local declared = require(modules[name])
  local sections = { { title = "options", options = declared.options } }
  if declared.service then sections[2] = { title = "options of all that call the service", options = SERVICE } end
  sections[#sections + 1] = { title = "options of all commands", options = GENERAL }
  return {
    name = name, text = declared.text, arguments = declared.arguments, sections = sections,
    exit_codes = declared.exit_codes or EXIT_CODES, codes = declared.codes, run = declared.run,
  }
end

local GENERAL_WORDS = { ["--help"] = "help", ["-h"] = "help", ["help"] = "help", ["--version"] = "version" }

local function run(words, state)
  local name = words[1]
  if not name then exit.usage "which command? `grid --help` lists them" end
  local general = GENERAL_WORDS[name]
  if general == "help" and modules[words[2]] then name = words[2]; words = { name, "--help" }; general = nil end
  if general then
    state.screen:write(general == "help" and overview() or grid._VERSION .. "\n")
    return 0
  end
  if not modules[name] then
    exit.usage("there is no command '%s'%s", name, argument.suggest(name, modules))
  end
  local chosen = load(name)
  state.codes = chosen.codes
  local given = arguments.parse(chosen, words)
  if given.help or given.version then
    state.screen:write(given.help and arguments.help(chosen) or grid._VERSION .. "\n")
    return 0
  end
  state.screen.json = given.json or false
  return chosen.run(given, state.screen)
end

-- Until the words are understood: whether they seem to ask for JSON.
local function wants_json(words)
  for _, word in ipairs(words) do
    if word == "--json" then return true end
  end
  return false
end

local function code_of(state, code)
  return state.codes and state.codes[code] or code
end

--- Runs what the words ask for. -> exit code
---@param words string[]
function command.main(words)
  local state = { screen = output.new(wants_json(words)) }
  local ok, code = pcall(run, words, state)
  if not ok then
    local ended = exit.of(code)
    if ended.message then state.screen:fail(ended.message, ended.fields) end
    code = code_of(state, ended.code)
  end
  local problem = state.screen:flush()
  if problem then
    output.tell("grid: cannot write to standard output: " .. problem)
    if code == 0 then code = code_of(state, exit.FAILED) end
  end
  return code
end

return command
