-- grid keep get, status, list: the commands that change no session.
-- Owns: the output, of which only `get` with --field or --header shows a secret.
-- Does not know: when a session is refreshed, which the keeper decides.

local argument = require "grid.argument"
local exit = require "grid.cli.exit"
local ids = require "grid.cli.command.keep.ids"
local keeper_config = require "grid.cli.keeper_config"
local open_keeper = require "grid.cli.open_keeper"
local service = require "grid.cli.service"
local times = require "grid.cli.times"

local read = {}

local FIELDS = {
  access_token = true, token_type = true, scope = true, id_token = true, generation = true, expires_at = true,
  obtained_at = true, kms_payload_json = true,
}

read.get = {
  arguments = { ids.argument },
  options = {
    config = keeper_config.option,
    field = { value = "FIELD", help = "prints this field, such as access_token or expires_at" },
    header = { help = "prints `Authorization: Bearer TOKEN`, which `curl -H @-` reads" },
    timeout = { value = "SECONDS", number = true, help = "to wait for a refresh of another program; default 5" },
    ["min-ttl"] = { value = "SECONDS", number = true, help = "refreshes first if the session ends before that" },
  },
  text = [[
Prints a part of the session ID. If its refresh is due, refreshes it first, or waits for the
program that does so. Without --field and --header, shows when it expires, and no secret.

Fields: access_token, token_type, scope and id_token of OAuth 2.0; kms_payload_json of Grid;
generation, expires_at and obtained_at (seconds since 1970). No command prints a refresh token.
]],
}

local function check_get(given)
  if given.field and given.header then exit.usage "keep get: give --field or --header, not both" end
  if given.json and (given.field or given.header) then
    exit.usage "keep get: --json shows no secret: give it without --field and --header"
  end
  if given.field and not FIELDS[given.field] then
    exit.usage("keep get: a session has no field '%s'%s", given.field,
      argument.suggest(given.field, FIELDS, "; `grid keep get --help` lists the fields"))
  end
  for _, name in ipairs { "timeout", "min-ttl" } do
    local value = given[name]
    if value and not (value >= 0 and value < math.huge) then
      exit.usage("keep get: --%s must be a number of seconds, 0 or more", name)
    end
  end
end

local function field_of(session, name)
  local value = session[name]
  if value == nil then exit.failed(("grid: the session '%s' has no %s"):format(session.id, name)) end
  return type(value) == "number" and ("%.0f"):format(value) or value
end

-- A token with other characters would end the header, or begin another one.
local function header_of(session)
  local token = field_of(session, "access_token")
  if (session.token_type or "Bearer"):lower() ~= "bearer" then
    exit.failed(("grid: --header needs a token of type Bearer, and '%s' has one of another type: use --field access_token"):format(
      session.id))
  end
  if token:find "[^\33-\126]" then
    exit.failed(("grid: the access token of '%s' holds characters that a header cannot hold"):format(session.id))
  end
  return "Authorization: Bearer " .. token
end

local function show(output, session)
  output:rows {
    { "session", session.id }, { "generation", ("%.0f"):format(session.generation) },
    { "expires", times.text(session.expires_at) },
  }
  output:object { id = session.id, generation = session.generation, expires_at = session.expires_at }
end

read.show = show

function read.get.run(given, output)
  check_get(given)
  local id = ids.check("keep get", given[1])
  open_keeper.use(given, output, function(keeper)
    local session = open_keeper.assert(keeper:get(id, { timeout = given.timeout, min_ttl = given["min-ttl"] }))
    if given.field then
      output:write(field_of(session, given.field), "\n")
    elseif given.header then
      output:write(header_of(session), "\n")
    else
      show(output, session)
    end
  end)
  service.exit_if_interrupted()
  return 0
end

read.status = {
  arguments = { ids.argument },
  options = { config = keeper_config.option },
  text = [[
Shows the state of the session ID: fresh, advisory and mandatory (its refresh is due),
expired, or dead (the server has ended it: log in again, then `grid keep add --replace`).
Sends nothing.
]],
}

local function status_rows(id, status)
  return {
    { "session", id }, { "state", status.state }, { "generation", ("%.0f"):format(status.generation) },
    { "expires", status.state ~= "dead" and times.text(status.expires_at) },
    { "refresh due", status.refresh_at and times.text(status.refresh_at) },
    { "refreshing", status.refreshing and "yes" or "no" },
    { "suspended", status.suspended and "yes: a refresh had an unknown outcome" or "no" },
    { "next attempt", status.backoff_until and times.text(status.backoff_until) },
    { "failures", status.failures > 0 and ("%.0f"):format(status.failures) or nil },
    { "last error", status.last_error }, { "durability", status.durability },
  }
end

function read.status.run(given, output)
  local id = ids.check("keep status", given[1])
  open_keeper.use(given, output, function(keeper)
    local status = open_keeper.assert(keeper:status(id))
    output:rows(status_rows(id, status))
    status.id = id
    output:object(status)
  end)
  return 0
end

read.list = {
  arguments = {},
  options = { config = keeper_config.option },
  text = "Prints the ids of all sessions of the store, one a line, in byte order. Sends nothing.\n",
}

local PAGE = 1000

function read.list.run(given, output)
  open_keeper.use(given, output, function(keeper)
    local after
    repeat
      local page = open_keeper.assert(keeper:list { limit = PAGE, after = after })
      for _, id in ipairs(page) do
        output:line("%s", id)
        output:object { id = id }
      end
      after = page[PAGE]
    until not after
  end)
  return 0
end

return read
