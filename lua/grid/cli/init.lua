-- The command `grid`: from the arguments of the process to its exit code.
-- Owns: the list of commands, the options that commands share, and the report of an error
-- that no command handled.
-- Does not know: the work of a command.

local argument = require "grid.argument"
local arguments = require "grid.cli.arguments"
local exit = require "grid.cli.exit"
local grid = require "grid"
local output = require "grid.cli.output"

local command = {}

-- The keeper, then the commands of Grid in the order in which they are used on a session.
-- A module is loaded when its command runs.
local COMMANDS = {
  { "keep", "keep sessions fresh in a store: any OAuth 2.0 server, or Grid" },
  { "keygen", "make a key pair" },
  { "login", "log in at Grid with a one-time password, and save the session in a file" },
  { "refresh", "refresh the session in a file" },
  { "inspect", "show what a session file holds, without its secrets" },
  { "sign", "sign a prepared transaction" },
  { "move-signer", "replace the signer of an account by one of your own, before Grid ends" },
  { "refresh-all", "refresh every session file of a folder" },
}

local modules = {}
for _, entry in ipairs(COMMANDS) do
  modules[entry[1]] = "grid.cli.command." .. entry[1]:gsub("-", "_")
end

local GENERAL = {
  help = { help = "this text" },
  version = { help = "the version" },
  json = { help = "for scripts: one JSON object a line on standard output, never a secret" },
}

local SERVICE = {
  ["api-key-file"] = {
    value = "FILE",
    help = "holds the API key; - reads one line of standard input; default $GRID_API_KEY",
  },
  ["base-url"] = { value = "URL", help = "default $GRID_BASE_URL, else https://grid.squads.xyz" },
  ["environment"] = {
    value = "NAME",
    help = "production, sandbox, mainnet or devnet; default $GRID_ENVIRONMENT, else production",
  },
  ["ca-file"] = {
    value = "FILE", help = "the trusted authorities, PEM; default $GRID_CA_FILE, else the system's",
  },
  ["timeout"] = { value = "SECONDS", number = true, help = "for a whole call; default 10" },
}

local EXIT_CODES = [[
exit codes:
  0  success
  1  failure: the service, the network, a file or standard output
  2  usage error; nothing was done
  3  interrupted (^C, SIGTERM, SIGHUP), after the calls in flight had ended and were saved
  70 internal error
]]

local function overview()
  local lines = { "usage: grid COMMAND [OPTIONS]\n" }
  for _, entry in ipairs(COMMANDS) do
    lines[#lines + 1] = ("  %-14s%s"):format(entry[1], entry[2])
  end
  lines[#lines + 1] = [[

`grid COMMAND --help` lists its options. Keys and one-time passwords are read from files, the
environment or standard input, never from the command line. Grid ends: most endpoints on
2026-12-15, the others on 2027-02-05.
]]
  lines[#lines + 1] = EXIT_CODES
  return table.concat(lines, "\n")
end

-- A command as its module declares it, with the options that it shares with others.
local function complete(declared, name)
  local sections = { { title = "options", options = declared.options } }
  if declared.service then
    sections[2] = { title = "options of all commands that call the service", options = SERVICE }
  end
  sections[#sections + 1] = { title = "options of all commands", options = GENERAL }
  return {
    name = name, text = declared.text, arguments = declared.arguments, sections = sections,
    exit_codes = declared.exit_codes or EXIT_CODES, codes = declared.codes, run = declared.run,
  }
end

local GENERAL_WORDS = {
  ["--help"] = "help", ["-h"] = "help", ["help"] = "help", ["--version"] = "version",
}

local unpack = table.unpack or unpack

-- The words with `help COMMAND …` written as `COMMAND … --help`.
local function with_help_option(words)
  local name = words[2]
  if GENERAL_WORDS[words[1]] ~= "help" or not name or name:find "^%-" or GENERAL_WORDS[name] then return words end
  local rewritten = { unpack(words, 2) }
  rewritten[#rewritten + 1] = "--help"
  return rewritten
end

-- The command that the words begin with, or its verb, if it has verbs; then `COMMAND help
-- …` is the same as `help COMMAND …`. -> command, the words from its name on
local function choose(words)
  local name = words[1]
  if name:find "^%-" then exit.usage("options follow the name of a command: grid COMMAND %s", name:match "^[^=]*") end
  if not modules[name] then
    exit.usage("there is no command '%s'%s", name, argument.suggest(name, modules, "; `grid --help` lists the commands"))
  end
  local declared = require(modules[name])
  if declared.verbs and words[2] == "help" then words = with_help_option { "help", name, unpack(words, 3) } end
  local verb = words[2]
  if not declared.verbs or GENERAL_WORDS[verb] then return complete(declared, name), words end
  if not verb then exit.usage("%s: no verb is given; `grid %s --help` lists them", name, name) end
  if not declared.verbs[verb] then
    local otherwise = ("; `grid %s --help` lists the verbs"):format(name)
    exit.usage("%s: there is no verb '%s'%s", name, verb, argument.suggest(verb, declared.verbs, otherwise))
  end
  return complete(declared.verbs[verb], name .. " " .. verb), { unpack(words, 2) }
end

local function write(state, text)
  state.output:write(text)
  return 0
end

local VERSION = grid._VERSION .. "\n"

local function run(words, state)
  words = with_help_option(words)
  if not words[1] then exit.usage "no command is given; `grid --help` lists them" end
  local general = GENERAL_WORDS[words[1]]
  if general then return write(state, general == "help" and overview() or VERSION) end
  local chosen, own_words = choose(words)
  state.codes = chosen.codes
  local given = arguments.parse(chosen, own_words)
  if given.help then return write(state, arguments.help(chosen)) end
  if given.version then return write(state, VERSION) end
  state.output.json = given.json or false
  return chosen.run(given, state.output)
end

-- Is --json given? Decides the form of an error until the arguments are parsed.
local function wants_json(words)
  for _, word in ipairs(words) do
    if word == "--json" then return true end
  end
  return false
end

local function code_of(state, code)
  return state.codes and state.codes[code] or code
end

--- Runs the command that the arguments name. -> exit code
---@param words string[]
function command.main(words)
  local state = { output = output.new(wants_json(words)) }
  local ok, code = pcall(run, words, state)
  if not ok then
    local ended = exit.from(code)
    if ended.message then state.output:fail(ended) end
    code = code_of(state, ended.code)
  end
  local problem = state.output:flush()
  if problem then
    output.tell("grid: cannot write to standard output: " .. problem)
    if code == 0 then code = code_of(state, exit.FAILED) end
  end
  return code
end

return command
