-- grid login: logs in with a one-time password, and saves the session in a file.
-- Owns: its options and its help text.
-- Does not know: how the password is read, which is in authentication.lua.

local authentication = require "grid.cli.authentication"
local description = require "grid.cli.description"
local service = require "grid.cli.service"

local login = {
  service = true,
  arguments = {},
  options = {
    email = { value = "ADDRESS", required = true, help = "where the one-time password is sent" },
    session = { value = "FILE", required = true, help = "where the session is saved, 0600" },
    force = { help = "replace FILE if it exists" },
  },
  text = [[
Requests a one-time password by e-mail, reads it from standard input, and saves the session,
with a new private key, in a session file (see `grid refresh --help`). On a terminal a wrong
password may be entered again.
]],
}

function login.run(given, output)
  local client = service.client(given)
  local file = authentication.begin(given.session, given.force)
  local res, pair = authentication.log_in(client, given.email, output)
  local session = authentication.save(res, pair, file)
  local facts = description.facts(session, pair)
  facts.file = given.session
  output:rows(description.rows(facts))
  output:line("%-20s%s", "session file", given.session)
  output:object(facts)
  service.exit_if_interrupted()
  return 0
end

return login
