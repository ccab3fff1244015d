-- grid inspect: what is in a session file. Sends nothing, writes nothing.

local description = require "grid.cli.description"
local refresh = require "grid.cli.command.refresh"
local session_file = require "grid.cli.session_file"
local exit = require "grid.cli.exit"

local inspect = {
  arguments = { { name = "FILE" } },
  options = {
    key = { value = "FILE", help = "the private key that opens this session's keys, where the session file holds none" },
  },
  text = [[
Tells what is in a session file: the account, when its keys and tokens expire, and whether its private key opens its
authorization key. Tokens and keys appear as fingerprints. Nothing is sent.
]],
}

function inspect.run(given, screen)
  local session = exit.unless(session_file.read(given[1]))
  local key_text, pair = refresh.key_text(given), nil
  if key_text or session.private_key then pair = exit.unless(session:pair(key_text)) end
  local facts = description.facts(session, pair)
  facts.file = given[1]
  screen:rows(description.rows(facts))
  screen:object(facts)
  return 0
end

return inspect
