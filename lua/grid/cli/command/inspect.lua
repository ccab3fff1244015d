-- grid inspect: shows what a session file holds. Sends nothing, writes no file.
-- Owns: its options and its help text.
-- Does not know: what is shown, which is in description.lua.

local description = require "grid.cli.description"
local exit = require "grid.cli.exit"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"

local inspect = {
  arguments = { { name = "FILE" } },
  options = { key = session_key.option },
  text = [[
Shows what a session file holds: the account, when its keys and tokens expire, and whether its
private key opens its authorization key. Tokens and keys are shown as fingerprints. Nothing is
sent.
]],
}

function inspect.run(given, output)
  local session = exit.assert(session_file.read(given[1]))
  local key_text, pair = session_key.text(given), nil
  if key_text or session.private_key then pair = exit.assert(session:pair(key_text)) end
  local facts = description.facts(session, pair)
  facts.file = given[1]
  output:rows(description.rows(facts))
  output:object(facts)
  return 0
end

return inspect
