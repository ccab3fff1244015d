-- grid keep add, refresh, remove: the commands that change the store.
-- Owns: the import of session files, and of tokens on standard input.
-- Does not know: the form of tokens, which the exchange reads.

local exit = require "grid.cli.exit"
local ids = require "grid.cli.command.keep.ids"
local keeper_config = require "grid.cli.keeper_config"
local open_keeper = require "grid.cli.open_keeper"
local read = require "grid.cli.command.keep.read"
local service = require "grid.cli.service"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"

local change = {}

change.add = {
  arguments = { { name = "ID", optional = true } },
  options = {
    config = keeper_config.option,
    session = { value = "FILE", help = "takes the session of Grid from FILE; ID defaults to its name without .json" },
    key = session_key.option,
    replace = { help = "replace a session of that id, also a dead one" },
  },
  text = [[
Adds the tokens of a log-in to the store, as the session ID. They are read from standard
input: the answer of the token endpoint (JSON with access_token and refresh_token); for Grid
a session file.

With --session, a session file of `grid login` is imported. It is not changed, and must not be
refreshed by `grid refresh` any more: its refresh token is valid for one use.
]],
}

local function name_of_file(path)
  return (path:match "[^/]*$":gsub("%.json$", ""))
end

local function from_session_file(given)
  local key_text = session_key.text(given)
  local session = exit.assert(session_file.read(given.session))
  local pair = exit.assert(session:pair(key_text))
  return { kms_payload = session.kms_payload, private_key = pair:export(), address = session.address }
end

local function from_standard_input(output)
  if output.is_interactive() then output:note "grid: reading tokens from standard input" end
  local text = io.read "*a"
  if not text or text == "" then
    exit.failed "grid: standard input is empty: give the tokens of a log-in there, as in `<tokens.json`"
  end
  return text
end

local function check_add(given)
  if not given[1] and not given.session then exit.usage "keep add: ID is missing" end
  if given.key and not given.session then exit.usage "keep add: --key is used with --session" end
  return ids.check("keep add", given[1] or name_of_file(given.session))
end

function change.add.run(given, output)
  local id = check_add(given)
  open_keeper.use(given, output, function(keeper)
    if given.session and keeper.exchange.name ~= "grid" then
      exit.usage("keep add: --session is of Grid, and %s has no 'grid'", given.config)
    end
    local tokens = given.session and from_session_file(given) or from_standard_input(output)
    read.show(output, open_keeper.assert(keeper:add(id, tokens, { replace = given.replace })))
  end)
  return 0
end

change.refresh = {
  arguments = { ids.argument },
  options = { config = keeper_config.option },
  text = [[
Refreshes the session ID now, or waits for the program that does so. After a failed refresh
it sends nothing before the time of the next attempt, which `grid keep status` shows.
]],
}

function change.refresh.run(given, output)
  local id = ids.check("keep refresh", given[1])
  open_keeper.use(given, output, function(keeper) read.show(output, open_keeper.assert(keeper:refresh(id))) end)
  service.exit_if_interrupted()
  return 0
end

change.remove = {
  arguments = { ids.argument },
  options = {
    config = keeper_config.option,
    revoke = { help = "also revokes its refresh token (RFC 7009), if the server has a revocation endpoint" },
  },
  text = "Removes the session ID from the store.\n",
}

function change.remove.run(given, output)
  local id = ids.check("keep remove", given[1])
  open_keeper.use(given, output, function(keeper) open_keeper.assert(keeper:remove(id, { revoke = given.revoke })) end)
  output:line("%-20s%s", "removed", id)
  output:object { id = id, removed = true }
  return 0
end

return change
