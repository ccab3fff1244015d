-- grid sign: signs the payloads of a prepared transaction with the authorization key of a
-- session. Sends nothing.
-- Owns: its options and its help text.
-- Does not know: which payloads a key may sign, which is in grid.api.accounts.

local exit = require "grid.cli.exit"
local grid = require "grid"
local json = require "grid.json"
local pasted = require "grid.pasted"
local session_file = require "grid.cli.session_file"
local session_key = require "grid.cli.session_key"
local text_file = require "grid.cli.text_file"

local sign = {
  arguments = { { name = "FILE" }, { name = "PREPARED.json", optional = true } },
  options = { key = session_key.option },
  text = [[
Signs a prepared transaction ({"transaction", "kms_payloads"}, or the service's whole answer
around it) with the authorization key of the session in FILE, and prints the body of
POST /accounts/ADDRESS/submit. Without PREPARED.json, or with -, it is read from standard
input. A payload for a signer that the session does not hold is refused. Nothing is sent.
]],
}

local function read_prepared(path)
  local text
  if path and path ~= "-" then
    text = exit.assert(text_file.read(path))
  else
    text, path = pasted.without_mark(io.read "*a" or ""), "standard input"
  end
  local value = json.decode(text)
  if type(value) ~= "table" then exit.failed(("grid: %s holds no JSON object"):format(path)) end
  return value.transaction == nil and type(value.data) == "table" and value.data or value
end

function sign.run(given, output)
  local session = exit.assert(session_file.read(given[1]))
  local pair = exit.assert(session:pair(session_key.text(given)))
  local prepared = read_prepared(given[2])
  local auth = session_key.open_authorization(session, pair)
  -- Signing needs a client and sends nothing; its options must not depend on the
  -- environment.
  local client = grid.new { base_url = "https://grid.squads.xyz", environment = "production" }
  output:data(exit.assert(client:sign(prepared, auth)))
  return 0
end

return sign
