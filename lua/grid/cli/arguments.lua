-- Parses the arguments of a command, and writes its help text, by its declaration.
-- Owns: the syntax of arguments, and the form of the help text.
-- Does not know: commands and options by name, save those that would hold a secret.
--
-- A command is { name, text, exit_codes, arguments = { { name, optional } }, sections = {
-- { title, options } } }, an option { value, number, help, required }. An option without
-- `value` is a switch.

local argument = require "grid.argument"
local exit = require "grid.cli.exit"
local schema = require "grid.schema"

local arguments = {}

local TOKENS_ON_STANDARD_INPUT =
  "tokens do not belong on a command line: `grid keep add` reads them from standard input"

local ON_STANDARD_INPUT =
  "a one-time password does not belong on a command line: it is read from standard input"

-- Options that do not exist, since other users can see a command line. The error does not
-- repeat the value.
local SECRETS = {
  ["api-key"] = "an API key does not belong on a command line: use --api-key-file or $GRID_API_KEY",
  ["otp"] = ON_STANDARD_INPUT,
  ["code"] = ON_STANDARD_INPUT,
  ["refresh-token"] = TOKENS_ON_STANDARD_INPUT,
  ["access-token"] = TOKENS_ON_STANDARD_INPUT,
  ["client-secret"] = "a client secret does not belong on a command line: keeper.json names its file, in 'client_secret_file'",
  ["private-key"] = "a private key does not belong on a command line: name its file",
}

local function all_options(command)
  local options = {}
  for _, section in ipairs(command.sections) do
    for name, option in pairs(section.options) do options[name] = option end
  end
  return options
end

local function refuse_unknown(command, options, name)
  if SECRETS[name] then exit.usage("%s", SECRETS[name]) end
  local otherwise = ("; `grid %s --help` lists the options"):format(command.name)
  local hint = argument.suggest(name, options, otherwise):gsub("'(.*)'", "'--%1'")
  exit.usage("%s: there is no option '--%s'%s", command.name, name, hint)
end

local function read_value(command, name, option, value)
  if value == nil or value == "" then
    exit.usage("%s: option '--%s' needs a value: %s", command.name, name, option.value)
  end
  if not option.number then return value end
  local number = tonumber(value)
  if not number then exit.usage("%s: option '--%s' needs a number", command.name, name) end
  return number
end

local function read_option(command, options, given, words, i)
  local name, value = words[i]:match "^%-%-([^=]+)=?(.*)$"
  local inline = words[i]:find("=", 1, true) ~= nil
  local option = options[name]
  if not option then refuse_unknown(command, options, name) end
  if given[name] ~= nil then exit.usage("%s: option '--%s' is given twice", command.name, name) end
  if not option.value then
    if inline then exit.usage("%s: option '--%s' takes no value", command.name, name) end
    given[name] = true
    return i + 1
  end
  given[name] = read_value(command, name, option, inline and value or words[i + 1])
  return inline and i + 1 or i + 2
end

local function check_complete(command, options, given, count)
  if given.help or given.version then return end
  if count > #command.arguments then
    exit.usage("%s: unexpected argument '%s'", command.name, given[#command.arguments + 1])
  end
  for i, positional in ipairs(command.arguments) do
    if not given[i] and not positional.optional then
      exit.usage("%s: %s is missing", command.name, positional.name)
    end
  end
  for _, name in ipairs(schema.sorted_names(options)) do
    if options[name].required and given[name] == nil then
      exit.usage("%s: option '--%s' is missing", command.name, name)
    end
  end
end

--- Parses words[2] and following. -> { [1] = argument, [2] = …, [option] = value | true }
function arguments.parse(command, words)
  local options = all_options(command)
  local given, count, i, only_arguments = {}, 0, 2, false
  while words[i] do
    local word = words[i]
    if only_arguments or word == "-" or word:sub(1, 1) ~= "-" then
      count = count + 1
      given[count] = word
      i = i + 1
    elseif word == "--" then
      only_arguments = true
      i = i + 1
    elseif word == "-h" then
      given.help = true
      i = i + 1
    elseif word:find "^%-%-[^=]" then
      i = read_option(command, options, given, words, i)
    else
      exit.usage("%s: there are no short options; --help lists the long ones", command.name)
    end
  end
  check_complete(command, options, given, count)
  return given
end

local INDENT = 24

local function option_line(name, option)
  local left = "  --" .. name .. (option.value and " " .. option.value or "")
  local gap = #left < INDENT and (" "):rep(INDENT - #left) or "\n" .. (" "):rep(INDENT)
  return left .. gap .. option.help
end

local function usage_line(command)
  local words = { "usage: grid " .. command.name }
  for _, positional in ipairs(command.arguments) do
    words[#words + 1] = positional.optional and "[" .. positional.name .. "]" or positional.name
  end
  local options = all_options(command)
  for _, name in ipairs(schema.sorted_names(options)) do
    local option = options[name]
    if option.required then words[#words + 1] = ("--%s %s"):format(name, option.value) end
  end
  words[#words + 1] = "[OPTIONS]\n"
  return table.concat(words, " ")
end

--- The text for --help.
function arguments.help(command)
  local lines = { usage_line(command), command.text }
  for _, section in ipairs(command.sections) do
    if next(section.options) then
      lines[#lines + 1] = section.title .. ":"
      for _, name in ipairs(schema.sorted_names(section.options)) do
        lines[#lines + 1] = option_line(name, section.options[name])
      end
      lines[#lines + 1] = ""
    end
  end
  lines[#lines + 1] = command.exit_codes
  return table.concat(lines, "\n")
end

return arguments
